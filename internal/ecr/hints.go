package ecr

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// throttledHint has the documented quota of GetAuthorizationToken.
const throttledHint = "too many calls at once in this account and region (20 a second for authorization tokens): raise refresh.jitter, or ask AWS for a higher quota"

// profile names the profile the SDK uses, and the variable that chose it.
func (at situation) profile() string {
	switch {
	case at.id.Profile != "":
		return fmt.Sprintf("profile %q", at.id.Profile)
	case at.getenv("AWS_PROFILE") != "":
		return fmt.Sprintf("profile %q (AWS_PROFILE)", at.getenv("AWS_PROFILE"))
	}
	return "the default profile"
}

// bracket is about the most common reason why a profile is not found.
func (at situation) bracket(profile string) string {
	if !at.bare {
		return ""
	}
	return fmt.Sprintf("write [profile %s] instead of [%s] in the config file, as the SDK wants it there; or ", profile, profile)
}

// lookThere is what a person does about an error that no rule knows.
func (at situation) lookThere() string {
	return fmt.Sprintf("%s and see whether it works; it, too, reads %s and the AWS_ variables", at.byHand("sts get-caller-identity"), at.files)
}

// noCredentials says where credentials can come from.
func noCredentials(at situation) string {
	if at.id.Profile != "" {
		return fmt.Sprintf("give profile %q credentials in %s", at.id.Profile, at.files)
	}
	return fmt.Sprintf("attach a role to the host, or write credentials into %s, or set aws.profile", at.files)
}

// byHand is an AWS command to run by hand, with the profile where there is one.
func (at situation) byHand(command string) string {
	if name := cmp.Or(at.id.Profile, at.getenv("AWS_PROFILE")); name != "" {
		command += " --profile " + name
	}
	return fmt.Sprintf("run \"aws %s\" as the user the daemon runs as", command)
}

// clockHint says how wrong this host's clock is, where that is known.
func clockHint(skew time.Duration) string {
	off := "wrong"
	switch {
	case skew >= skewLimit:
		off = skew.Round(time.Second).String() + " ahead of AWS"
	case -skew >= skewLimit:
		off = (-skew).Round(time.Second).String() + " behind AWS"
	}
	return fmt.Sprintf(`this host's clock is %s: set it with "chronyc makestep" or "timedatectl set-ntp true"`, off)
}

// unreachable says what keeps a host from the API of a step.
func unreachable(step *stepError, at situation) string {
	const way = "check DNS, firewall and proxy (HTTPS_PROXY, NO_PROXY)"
	if step.step == stepCredentials && at.from.hint() != "" {
		return at.from.hint()
	}
	endpoint, setting, service, variables := at.id.STSEndpointURL, "aws.sts_endpoint_url", "sts", []string{"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"}
	switch {
	case step.step == stepToken && at.public:
		endpoint, setting, variables[0] = at.id.EndpointURL, "aws.endpoint_url", "AWS_ENDPOINT_URL_ECR_PUBLIC"
	case step.step == stepToken:
		endpoint, setting, service, variables[0] = at.id.EndpointURL, "aws.endpoint_url", "ecr.api", "AWS_ENDPOINT_URL_ECR"
	}
	for _, v := range variables {
		if endpoint == "" && at.getenv(v) != "" {
			endpoint, setting = at.getenv(v), "the environment variable "+v
		}
	}
	switch {
	case endpoint != "":
		return fmt.Sprintf("check %s, %q", setting, withoutLogin(endpoint))
	case step.step == stepToken && at.public:
		return way + "; ECR Public has no VPC endpoint, so it needs a way to the internet"
	case step.step == stepCredentials: // it may be STS, SSO or an agent on this host
		return way + " on the way to what gives the credentials"
	}
	return fmt.Sprintf("%s, and that the region is spelled right; in a VPC without internet, create the interface endpoint com.amazonaws.%s.%s with private DNS", way, at.region, service)
}

// withoutLogin is a URL without the user name and the password that it may hold.
func withoutLogin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// permissionHint names the permission that is missing.
func permissionHint(a apiAnswer, step *stepError, at situation) string {
	switch {
	case step.step == stepToken && at.public:
		return `allow "ecr-public:GetAuthorizationToken" and "sts:GetServiceBearerToken" on Resource "*" to this identity, and let no service control policy or permissions boundary deny them`
	case step.step == stepToken:
		return `allow "ecr:GetAuthorizationToken" on Resource "*" to this identity, and let no service control policy, permissions boundary or VPC endpoint policy deny it`
	case strings.Contains(a.message, "MultiFactorAuthentication"):
		return "aws.mfa.code_command printed a code that AWS does not take: each code is good once and for 30 seconds; check the command, aws.mfa.serial and this host's clock"
	case a.code == "ValidationError":
		return "check aws.role_arn, aws.external_id, aws.session_name and aws.mfa.serial"
	case step.step == stepRole:
		hint := fmt.Sprintf(`allow "sts:AssumeRole" on %q to the identity that assumes it, and name that identity in the role's trust policy`, step.subject)
		if at.id.ExternalID == "" {
			return hint + "; if the policy demands an external id or MFA, set aws.external_id or aws.mfa"
		}
		return hint + "; aws.external_id must be the sts:ExternalId of that policy"
	case step.step == stepSession:
		return "only a user with long-lived keys of its own can get a session token: check aws.mfa.serial and the keys"
	case a.service == sts.ServiceID:
		return fmt.Sprintf(`allow "sts:%s" on the role of %s, and name the identity that assumes it in the role's trust policy`, a.operation, at.profile())
	}
	return ""
}
