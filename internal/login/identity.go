package login

import (
	"fmt"
	"strings"
)

// Identity is the AWS principal that asks for a token, and the way it asks. Empty
// fields leave the decision to the AWS SDK's own chain.
type Identity struct {
	Profile     string   // of the shared configuration files
	RoleARNs    []string // assumed one after the other, each with the credentials of the one before
	ExternalID  string   // sent with every role of RoleARNs
	SessionName string   // of every role's session; "ecr-refreshd" when empty
	// MFASerial is the device asked for when the first role is assumed, or for a
	// session token when there is no role. It comes with MFACommand.
	MFASerial string
	// MFACommand prints the code of MFASerial, or of the mfa_serial of a profile.
	// It is run without a shell.
	MFACommand     []string
	EndpointURL    string // of the ECR or ECR Public API; never together with FIPS or DualStack
	STSEndpointURL string // never together with FIPS or DualStack
	FIPS           bool   // call the FIPS endpoints
	DualStack      bool   // call the dual-stack endpoints
}

// String names the identity as people would: "default", "profile ci",
// "role arn:aws:iam::111122223333:role/pull via profile ci".
func (id Identity) String() string { return id.Text("%s") }

// Text is String with the names written by a verb of fmt.
func (id Identity) Text(verb string) string {
	var parts []string
	for i := len(id.RoleARNs) - 1; i >= 0; i-- {
		parts = append(parts, "role "+fmt.Sprintf(verb, id.RoleARNs[i]))
	}
	switch {
	case id.Profile != "":
		parts = append(parts, "profile "+fmt.Sprintf(verb, id.Profile))
	case len(parts) == 0:
		parts = append(parts, "default")
	}
	return strings.Join(parts, " via ")
}
