package ecr

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
)

// ofTime knows attempts that took too long or were called off. A command that
// hangs is ofCommand's.
func ofTime(err error, step *stepError, at situation) (verdict, bool) {
	const calledOff = "called off before AWS answered"
	var command *commandError
	switch {
	case errors.As(err, &command):
		return verdict{}, false
	case errors.Is(err, errTimeout):
		text := fmt.Sprintf("no answer within %s", at.timeout)
		if step.step == stepCredentials && at.from.name != "" {
			text += " from " + at.from.name
		}
		return verdict{reason: fault.Network, text: text, hint: unreachable(step, at)}, true
	case errors.Is(err, errDeadline):
		return verdict{reason: fault.Network, text: calledOff, hint: unreachable(step, at)}, true
	case errors.Is(err, errCalledOff):
		return verdict{reason: fault.Network, text: calledOff}, true
	}
	return verdict{}, false
}

// ofKey knows credentials that cannot be ones.
func ofKey(err error, _ *stepError, at situation) (verdict, bool) {
	var key *keyError
	if !errors.As(err, &key) {
		return verdict{}, false
	}
	return verdict{reason: fault.Credentials, text: fmt.Sprintf("the %s from %s %s", key.field, cmp.Or(at.from.name, "the AWS configuration"), key.fault),
		hint: "write the " + key.field + " there again, without quotation marks, blanks and line breaks"}, true
}

// ofFile knows files that must not be read.
func ofFile(err error, _ *stepError, _ situation) (verdict, bool) {
	var file *fileError
	var refused *filetrust.Error
	switch {
	case errors.As(err, &refused):
		return verdict{reason: fault.Credentials, text: refused.Error(), hint: "run: " + refused.Fix + ", or set HOME to root's own"}, true
	case errors.As(err, &file) && file.hint != "":
		return verdict{reason: cmp.Or(file.reason, fault.Credentials), text: file.Error(), hint: file.hint}, true
	case errors.As(err, &file) && errors.Is(file.err, filetrust.ErrHangs):
		return verdict{reason: fault.Local, text: file.Error(), hint: "check the disk or the server of that file system: see the kernel's log (dmesg)"}, true
	case errors.As(err, &file):
		return verdict{reason: fault.Credentials, text: file.Error(),
			hint: "put a regular file of at most 1 MiB there, or correct the AWS_ variable or the profile that names it"}, true
	}
	return verdict{}, false
}

// ofAnswer knows answers that came well and make no sense.
func ofAnswer(err error, step *stepError, at situation) (verdict, bool) {
	const hint = "something other than AWS may have answered: check aws.endpoint_url, AWS_ENDPOINT_URL and HTTPS_PROXY"
	var bad *smithy.DeserializationError
	var large *http.MaxBytesError
	var redirect redirectError
	var answer answerError
	switch {
	case errors.As(err, &large):
		return verdict{reason: fault.Invalid, text: fmt.Sprintf("the answer has more than %d bytes", large.Limit), hint: hint}, true
	case errors.As(err, &redirect):
		return verdict{reason: fault.Invalid, text: redirect.Error(), hint: hint}, true
	case errors.As(err, &answer):
		return verdict{reason: fault.Invalid, text: string(answer), hint: hint}, true
	case errors.Is(err, errBroken): // cut off, not wrong
		return verdict{reason: fault.Network, text: errBroken.Error(), hint: unreachable(step, at)}, true
	case errors.As(err, &bad) && (httpStatus(err) == 0 || httpStatus(err)/100 == 2):
		return verdict{reason: fault.Invalid, text: "the answer cannot be read", hint: hint}, true
	}
	return verdict{}, false
}

// ofCommand knows a command of the configuration that did not do its work.
func ofCommand(err error, _ *stepError, at situation) (verdict, bool) {
	var command *commandError
	if !errors.As(err, &command) {
		return verdict{}, false
	}
	v := verdict{reason: fault.Credentials, text: command.Error(),
		hint: "run the command of aws.mfa.code_command by hand, as the user the daemon runs as: it must print a code of 6 digits and nothing else"}
	if command.setting == "credential_process" {
		v.hint = fmt.Sprintf("run the credential_process of %s by hand, as the user the daemon runs as and without a terminal; it is set in %s", at.profile(), at.files)
	}
	return v, true
}

// ofMetadata knows the end of the SDK's chain: the instance metadata service.
func ofMetadata(err error, step *stepError, at situation) (verdict, bool) {
	const nowhere = "no AWS credentials in the environment and the shared files, and "
	var op *smithy.OperationError
	if !errors.As(err, &op) || op.Service() != imds.ServiceID {
		return verdict{}, false
	}
	v := verdict{reason: fault.Credentials, hint: noCredentials(at)}
	status := httpStatus(err)
	if status == 0 && strings.Contains(err.Error(), "StatusCode: 401") {
		status = http.StatusUnauthorized // the SDK wraps this one without a way to unwrap it
	}
	switch {
	// The SDK has no type for this one.
	case strings.Contains(op.Err.Error(), "access disabled to EC2 IMDS"):
		v.text = nowhere + "the instance metadata service is disabled"
		v.hint += "; on EC2, unset AWS_EC2_METADATA_DISABLED to use the instance's role"
	case status == http.StatusNotFound:
		v.text = nowhere + "the instance has no role"
		v.hint += `; on EC2, attach a role with "aws ec2 associate-iam-instance-profile"`
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		v.text = fmt.Sprintf("%sthe instance metadata service answers %d", nowhere, status)
		v.hint = `in a container, raise the hop limit with "aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2", or ` + v.hint
	case status != 0:
		v.reason, v.text = fault.Network, fmt.Sprintf("%sthe instance metadata service answers %d", nowhere, status)
	default:
		v.reason, v.text = fault.Network, nowhere+"the instance metadata service does not answer: "+transport(err)
		v.hint += "; outside EC2, AWS_EC2_METADATA_DISABLED=true ends the search there; behind a proxy, NO_PROXY must hold 169.254.169.254"
	}
	return v, true
}

// ofShared knows what is wrong with profiles and sign-ins.
func ofShared(err error, _ *stepError, at situation) (verdict, bool) {
	var (
		missing config.SharedConfigProfileNotExistError
		role    config.SharedConfigAssumeRoleError
		mfa     config.AssumeRoleTokenProviderNotSetError
		sso     *ssocreds.InvalidTokenError
		path    *fs.PathError
	)
	text := err.Error()
	switch {
	case errors.As(err, &mfa):
		return verdict{reason: fault.Credentials, text: fmt.Sprintf("%s has an mfa_serial and there is no way to ask for the code", at.profile()),
			hint: "set aws.mfa.code_command to a command that prints the code"}, true
	case errors.As(err, &role):
		return verdict{reason: fault.Credentials, text: fmt.Sprintf("profile %q: role %q has no usable source_profile or credential_source", role.Profile, role.RoleARN),
			hint: "correct the profile in " + at.files}, true
	case errors.As(err, &missing):
		return verdict{reason: fault.Credentials, text: fmt.Sprintf("there is no profile %q in %s", missing.Profile, at.files),
			hint: at.bracket(missing.Profile) + fmt.Sprintf(`add it with "aws configure --profile %s" as the user the daemon runs as, make the files readable for it, or correct aws.profile or AWS_PROFILE`, missing.Profile)}, true
	case errors.As(err, &sso), strings.Contains(text, "SSO token"):
		return verdict{reason: fault.Credentials, text: "the SSO session of " + at.profile() + " has expired or was never opened", hint: at.byHand("sso login")}, true
	case strings.Contains(text, "reauthenticate"): // the SDK has no type for this one
		return verdict{reason: fault.Credentials, text: "the login session of " + at.profile() + " has expired or was never opened", hint: at.byHand("login")}, true
	case errors.As(err, &path):
		return verdict{reason: fault.Local, text: path.Error(),
			hint: "make the file readable for the user the daemon runs as, or correct the AWS_ variable or the profile that names it"}, true
	}
	return verdict{}, false
}

// ofTransport knows requests that got no answer.
func ofTransport(err error, step *stepError, at situation) (verdict, bool) {
	var (
		send      *sendError
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	if !errors.As(err, &send) && !errors.As(err, new(*smithyhttp.RequestSendError)) && !isNet(err) {
		return verdict{}, false
	}
	v := verdict{reason: fault.Network, text: transport(err), hint: unreachable(step, at)}
	switch {
	case errors.As(err, &name) && name.IsNotFound && at.id.FIPS:
		v.hint = "FIPS endpoints exist only in regions of the US and Canada and in GovCloud, and not for ECR Public: leave aws.fips out, or " + v.hint
	case errors.As(err, &authority):
		v.hint = "the certificate is signed by an authority this host does not know: set AWS_CA_BUNDLE to the certificates of your proxy or endpoint"
	case errors.As(err, &host):
		v.hint = "the certificate is for another host: check the endpoint, and the proxy in HTTPS_PROXY"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		v.hint = `the certificate has expired, or this host's clock is wrong: see "timedatectl"`
	case errors.As(err, &record):
		v.hint = "the endpoint does not speak TLS: write http:// in front of it, or name its TLS port"
	}
	return v, true
}

// ofStatus knows HTTP answers that are no answer of an AWS API.
func ofStatus(err error, _ *stepError, _ situation) (verdict, bool) {
	status := httpStatus(err)
	if status == 0 {
		return verdict{}, false
	}
	v := verdict{reason: fault.Network, text: fmt.Sprintf("HTTP status %d %s, and no error of AWS's in it", status, http.StatusText(status)),
		hint: "something other than AWS answered: check HTTPS_PROXY, NO_PROXY, and the endpoint if you set one"}
	switch {
	case status == http.StatusTooManyRequests:
		v.reason = fault.Throttled
		v.hint = throttledHint
	case status >= 500:
		v.hint = ""
	}
	return v, true
}

// ofSetting knows settings that the SDK refuses; it has no types for them.
func ofSetting(err error, step *stepError, _ situation) (verdict, bool) {
	text := oneLine(err)
	_, rule, refused := strings.Cut(text, "Invalid Configuration: ")
	switch {
	case refused:
		return verdict{reason: fault.Local, text: rule,
			hint: "leave out aws.fips or aws.dual_stack (AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT), or the endpoint (AWS_ENDPOINT_URL and the like)"}, true
	case strings.Contains(text, "environment variable, AWS_"):
		return verdict{reason: fault.Local, text: text, hint: "correct the variable in the daemon's environment"}, true
	}
	return verdict{reason: fault.Local, text: text, hint: "correct the endpoint or the region"}, step.step != stepCredentials
}

// isNet reports whether the network broke under a request.
func isNet(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// transport is the text of a request that got no answer.
func transport(err error) string {
	var send *sendError
	var sdks *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &send):
		return send.Error()
	case errors.As(err, &sdks):
		return (&sendError{sdks.Err}).Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	}
	return (&sendError{err}).Error()
}

// httpStatus is the status of the answer in err, or 0.
func httpStatus(err error) int {
	var r *smithyhttp.ResponseError
	var endpoint interface{ HTTPStatusCode() int } // of container credentials
	switch {
	case errors.As(err, &r):
		return r.HTTPStatusCode()
	case errors.As(err, &endpoint):
		return endpoint.HTTPStatusCode()
	}
	return 0
}
