package config

import (
	"maps"
)

// block is an aws block: the values of the keys that it writes, and where each
// stands.
type block struct {
	id Identity
	at map[string]value
}

// over gives b on top of base, key by key.
func (b block) over(base block) block {
	merged := block{id: base.id, at: maps.Clone(base.at)}
	for key, v := range b.at {
		merged.take(key, b.id)
		if merged.at == nil {
			merged.at = map[string]value{}
		}
		merged.at[key] = v
	}
	return merged
}

// take copies what one key stands for.
func (b *block) take(key string, from Identity) {
	switch key {
	case "profile":
		b.id.Profile = from.Profile
	case "role_arn":
		b.id.RoleARNs = from.RoleARNs
	case "external_id":
		b.id.ExternalID = from.ExternalID
	case "session_name":
		b.id.SessionName = from.SessionName
	case "mfa":
		b.id.MFASerial, b.id.MFACommand = from.MFASerial, from.MFACommand
	case "endpoint_url":
		b.id.EndpointURL = from.EndpointURL
	case "sts_endpoint_url":
		b.id.STSEndpointURL = from.STSEndpointURL
	case "fips":
		b.id.FIPS = from.FIPS
	case "dual_stack":
		b.id.DualStack = from.DualStack
	}
}

// drop takes a key away, as if it had not been written.
func (b *block) drop(key string) {
	b.take(key, Identity{})
	delete(b.at, key)
}

// hasRole reports whether a role is written, be it right or wrong.
func (b block) hasRole() bool {
	v, ok := b.at["role_arn"]
	return ok && (v.node.Value != "" || len(v.node.Content) > 0)
}

// defaultSession is the name that CloudTrail shows.
const defaultSession = "ecr-refreshd"

// identity gives the block's identity without what has no effect in it, so that
// equal identities are equal values.
func (b block) identity() Identity {
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

// decodeAWS reads the aws block among keys, if there is one.
func decodeAWS(keys map[string]value) block {
	v, ok := keys["aws"]
	if !ok {
		return block{}
	}
	var b block
	b.at, _ = v.mapping(awsKeys)
	for _, t := range []struct {
		key  string
		to   *string
		kind Text
	}{
		{"profile", &b.id.Profile, profileKind},
		{"external_id", &b.id.ExternalID, externalIDKind},
		{"session_name", &b.id.SessionName, sessionKind},
		{"endpoint_url", &b.id.EndpointURL, endpoint},
		{"sts_endpoint_url", &b.id.STSEndpointURL, endpoint},
	} {
		if at, ok := b.at[t.key]; ok {
			at = at.address()
			at.hidden = at.hidden || t.key == "external_id"
			*t.to, _ = at.text(t.kind.OrEmpty())
		}
	}
	if at, ok := b.at["role_arn"]; ok {
		b.id.RoleARNs = decodeRoles(at)
	}
	if at, ok := b.at["mfa"]; ok {
		b.id.MFASerial, b.id.MFACommand = decodeMFA(at)
	}
	if at, ok := b.at["fips"]; ok {
		b.id.FIPS, _ = at.boolean()
	}
	if at, ok := b.at["dual_stack"]; ok {
		b.id.DualStack, _ = at.boolean()
	}
	return b
}

// decodeRoles reads one role, a chain of them, or "" for none.
func decodeRoles(v value) []string {
	if !v.isList() {
		role, ok := v.text(roleKind.OrEmpty())
		if !ok || role == "" {
			return nil
		}
		return []string{role}
	}
	var roles []string
	for _, i := range v.texts(roleKind, `["arn:aws:iam::111122223333:role/ecr-read"]`) {
		roles = append(roles, i.text)
	}
	return roles
}

// decodeMFA reads the device and the command. The command may hold a secret.
func decodeMFA(v value) (serial string, command []string) {
	keys, ok := v.mapping(mfaKeys)
	if !ok {
		return "", nil
	}
	good := true
	if at, ok := keys["serial"]; ok {
		serial, good = at.text(serialKind.OrEmpty())
	}
	if at, ok := keys["code_command"]; ok {
		list, isList := at.hide().list(`["ykman", "oath", "accounts", "code", "--single", "aws"]`)
		good = good && isList
		for i, word := range list {
			text, ok := word.text(commandKind)
			if ok && i == 0 && text == "" {
				word.report("is empty; write the command that prints the code")
				ok = false
			}
			good = good && ok
			command = append(command, text)
		}
	}
	if good && (serial == "") != (len(command) == 0) {
		v.report("has one of serial and code_command; write both, or neither")
	}
	return serial, command
}
