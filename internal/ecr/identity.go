package ecr

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// defaultSessionName is what AWS shows in CloudTrail for sessions of ours.
const defaultSessionName = "ecr-refreshd"

// Identity is the AWS principal that asks for the token. The zero Identity is
// whatever the SDK's default chain finds.
type Identity struct {
	Profile     string   // of the shared configuration files
	RoleARNs    []string // assumed one after the other, each with the credentials of the one before
	ExternalID  string   // sent with every role of RoleARNs
	SessionName string   // of every session; "ecr-refreshd" when empty
	// MFASerial is the device asked for when the first role is assumed, or for a
	// session token when there is no role.
	MFASerial string
	// MFACommand prints the code of MFASerial, or of the mfa_serial of a profile.
	// It is run without a shell.
	MFACommand     []string
	EndpointURL    string // of the ECR or ECR Public API
	STSEndpointURL string
	FIPS           bool // call the FIPS endpoints
	DualStack      bool // call the dual-stack endpoints
}

// check finds settings that cannot work together.
func (id Identity) check() error {
	if id.FIPS || id.DualStack {
		// The SDK refuses it too, but only when it calls.
		option, endpoint := "fips", "endpoint_url"
		if !id.FIPS {
			option = "dual_stack"
		}
		if id.EndpointURL == "" {
			endpoint = "sts_endpoint_url"
		}
		if id.EndpointURL != "" || id.STSEndpointURL != "" {
			return fmt.Errorf("aws.%s cannot be used together with aws.%s: leave one out, and name the endpoint you want in full", option, endpoint)
		}
	}
	for _, e := range [...]struct{ setting, url string }{{"endpoint_url", id.EndpointURL}, {"sts_endpoint_url", id.STSEndpointURL}} {
		if u, err := url.Parse(e.url); e.url != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("aws.%s %q is no URL: write https:// and a host", e.setting, e.url)
		}
	}
	if id.MFASerial != "" && len(id.MFACommand) == 0 {
		return errors.New("aws.mfa.serial needs aws.mfa.code_command, the command that prints the code")
	}
	if len(id.MFACommand) > 0 && id.MFACommand[0] == "" {
		return errors.New("aws.mfa.code_command is empty: name the program that prints the code")
	}
	for _, arn := range id.RoleARNs {
		if arn == "" {
			return errors.New("aws.role_arn holds an empty name: name the role's ARN or leave it out")
		}
	}
	return nil
}

// String names the identity as people would: "default", "profile ci",
// "role arn:aws:iam::111122223333:role/pull via profile ci".
func (id Identity) String() string { return id.text("%s") }

// text writes the names with verb.
func (id Identity) text(verb string) string {
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
