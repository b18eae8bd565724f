package config

import (
	"maps"

	"ecr-refreshd/internal/login"
)

// block is an aws block: the values of the keys that it writes, and where each
// stands. One in an entry of registries begins as a copy of the common one.
type block struct {
	id login.Identity
	at map[string]value
}

func newBlock() block {
	return block{login.Identity{SessionName: defaultSession}, map[string]value{}}
}

// copy is a block for an entry to write over, key by key.
func (b block) copy() block { return block{b.id, maps.Clone(b.at)} }

// hasRole reports whether a role is written, be it right or wrong.
func (b block) hasRole() bool {
	v, ok := b.at["role_arn"]
	return ok && (v.node.Value != "" || len(v.node.Content) > 0)
}

// defaultSession is the name that CloudTrail shows.
const defaultSession = "ecr-refreshd"

// identity gives the block's identity without what has no effect in it, so that
// equal identities are equal values.
func (b block) identity() login.Identity {
	id := b.id
	if len(id.RoleARNs) == 0 {
		id.ExternalID, id.SessionName = "", ""
	} else if id.SessionName == "" {
		id.SessionName = defaultSession
	}
	return id
}

var (
	profileKind = Matching(`^[^\[\]]*$`, "is not the name of a profile", "the name of a profile, such as ci")
	roleKind    = Matching(`^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]*[\w+=,.@-]$`, "is not the ARN of a role",
		"one such as arn:aws:iam::111122223333:role/ecr-read")
	sessionKind = Matching(`^[\w+=,.@-]{2,64}$`, "is not a session name",
		"2 to 64 letters, digits and +=,.@_-")
	externalIDKind = Matching(`^[\w+=,.@:/-]{2,1000}[\w+=,.@:/-]{0,224}$`, "is not an external id",
		"2 to 1224 letters, digits and +=,.@:/_-")
	serialKind = Matching(`^[\w+=/:,.@-]{9,256}$`, "is not the serial of an MFA device",
		"one such as arn:aws:iam::111122223333:mfa/ci")
	commandKind = Text{Want: "a list of a command and its arguments"}
)

// field is the aws block; own are the keys that the file writes there.
func (b *block) field(own *map[string]value) Field {
	address := func(t Text) Text { t.Address = true; return t.OrEmpty() } // whatever is pasted there by mistake
	id := &b.id
	external := address(externalIDKind)
	external.secret = true
	return Group("aws", "The AWS identity that asks for tokens. In an entry of registries it overrides the common block, key by key.", []Field{
		String("profile", "A profile of the AWS configuration files.", &id.Profile, address(profileKind)),
		oneOrMore("role_arn", "The role to assume, or a chain of roles.", &id.RoleARNs, roleKind, `["arn:aws:iam::111122223333:role/ecr-read"]`),
		String("external_id", "The external id that the last role demands.", &id.ExternalID, external),
		String("session_name", "The name that CloudTrail shows for the role session.", &id.SessionName, address(sessionKind)),
		mfaField(id),
		String("endpoint_url", "Endpoint of the ECR API instead of the one that the region has. ECR Public takes it from its own entry only.",
			&id.EndpointURL, address(endpoint)),
		String("sts_endpoint_url", "Endpoint of STS instead of the one that the region has.", &id.STSEndpointURL, address(endpoint)),
		Bool("fips", "Call the FIPS endpoints, and keep the FIPS host names logged in too. US regions only.", &id.FIPS),
		Bool("dual_stack", "Call the dual-stack endpoints, and keep the dual-stack host names logged in too.", &id.DualStack),
	}, func(read *Block) {
		*own = read.keys
		maps.Copy(b.at, read.keys)
	})
}

// mfaField is the device and the command. The command may hold a secret.
func mfaField(id *login.Identity) Field {
	f := Group("mfa", "For roles and users that demand MFA.", []Field{
		String("serial", "Serial number or ARN of the device.", &id.MFASerial, serialKind.OrEmpty()),
		{"code_command", "Command and arguments that print the code.", shape{form: aList, text: commandKind}, func(v value) bool {
			words, ok := v.hide().items(commandKind, `["ykman", "oath", "accounts", "code", "--single", "aws"]`)
			if id.MFACommand = textsOf(words); ok && len(words) > 0 && words[0].text == "" {
				words[0].at.report("is empty; write the command that prints the code")
				ok = false
			}
			return ok
		}},
	}, func(b *Block) {
		if b.Good() && (id.MFASerial == "") != (len(id.MFACommand) == 0) {
			b.Report("", "has one of serial and code_command; write both, or neither")
		}
	})
	read := f.read
	f.read = func(v value) bool {
		id.MFASerial, id.MFACommand = "", nil // an entry overrides the whole
		return read(v)
	}
	return f
}
