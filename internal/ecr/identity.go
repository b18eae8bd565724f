package ecr

import (
	"errors"
	"fmt"
	"net/url"

	"ecr-refreshd/internal/login"
)

// defaultSessionName is what AWS shows in CloudTrail for sessions of ours.
const defaultSessionName = "ecr-refreshd"

// checkIdentity finds settings that cannot work together.
func checkIdentity(id login.Identity) error {
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
