package ecr

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"ecr-refreshd/internal/fault"
)

// skewLimit is the least difference between two clocks worth a word. AWS
// refuses signatures that are 5 minutes off.
const skewLimit = time.Minute

// apiAnswer is an error as an AWS API states it.
type apiAnswer struct {
	code, message, request string        // request is its id
	service, operation     string        // as the SDK names them; empty when unknown
	status                 int           // of HTTP
	skew                   time.Duration // this host's clock less that of AWS
}

// expired reports whether AWS calls the credentials of a request expired.
func expired(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && isExpired(api.ErrorCode())
}

func isExpired(code string) bool {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return true
	}
	return false
}

// ofAPI knows the errors that AWS itself states.
func ofAPI(err error, step *stepError, at situation) (verdict, bool) {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() == "" || api.ErrorCode() == "UnknownError" {
		return verdict{}, false // the SDK's name for an answer without a code
	}
	a := apiAnswer{code: api.ErrorCode(), message: api.ErrorMessage()}
	if !errorCode.MatchString(a.code) {
		a.code = "an error with a code that is none of AWS's"
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		a.service, a.operation = op.Service(), op.Operation()
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		a.request = response.ServiceRequestID()
	}
	var answered *smithyhttp.ResponseError
	if errors.As(err, &answered) && answered.Response != nil {
		a.status = answered.HTTPStatusCode()
		if date, err := http.ParseTime(answered.Response.Header.Get("Date")); err == nil {
			a.skew = at.now.Sub(date)
		}
	}
	return verdict{reason: a.reason(), text: a.text(step), hint: a.hint(step, at)}, true
}

// errorCode is the form of AWS's error codes.
var errorCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.:_-]{0,79}$`)

// text is code, message and request id; the operation too, where it is one of
// the SDK's credential chain. What hands out credentials is not quoted, but for STS,
// whose sentences name the permission that is missing.
func (a apiAnswer) text(step *stepError) string {
	text := a.code
	if a.message != "" && a.message != a.code && a.speaks() {
		text += ": " + brief(a.message)
	}
	if a.request != "" {
		text += " (request id " + a.request + ")"
	}
	if step.step == stepCredentials && a.service != "" {
		text = a.service + " " + a.operation + ": " + text
	}
	return text
}

// reason is the class of a code; what AWS answers and this does not list is a no.
func (a apiAnswer) reason() fault.Reason {
	if _, slow := retry.DefaultThrottleErrorCodes[a.code]; slow || a.status == http.StatusTooManyRequests {
		return fault.Throttled
	}
	switch a.code {
	case "ServerException", "InternalFailure", "InternalError", "InternalServerError", "InternalServerException",
		"ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException",
		"IDPCommunicationError":
		return fault.Network
	case "InvalidIdentityToken", "IDPRejectedClaim", "UnauthorizedException", "InvalidGrantException",
		"InvalidClientException":
		return fault.Credentials
	}
	switch {
	case a.status >= 500:
		return fault.Network
	case isExpired(a.code), !a.known():
		return fault.Credentials
	}
	return fault.Denied
}

// known reports whether the answer is from a service of AWS whose no is a
// matter of permissions, and not from a local agent that hands out credentials.
func (a apiAnswer) known() bool {
	return a.speaks() || a.service == sso.ServiceID || a.service == ssooidc.ServiceID
}

// speaks reports whether the answer is from a service whose sentences are for people
// and never hold what it hands out.
func (a apiAnswer) speaks() bool {
	switch a.service {
	case ecr.ServiceID, ecrpublic.ServiceID, sts.ServiceID:
		return true
	}
	return false
}

// clock reports whether AWS refused the time of the signature.
func (a apiAnswer) clock() bool {
	switch a.code {
	case "RequestTimeTooSkewed":
		return true
	case "RequestExpired":
		return a.skew.Abs() >= skewLimit
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		return a.skew.Abs() >= skewLimit || strings.Contains(a.message, "Signature expired") ||
			strings.Contains(a.message, "Signature not yet current")
	}
	return false
}

// hint says what a person can do about an answer.
func (a apiAnswer) hint(step *stepError, at situation) string {
	switch reason := a.reason(); {
	case a.clock():
		return clockHint(a.skew)
	case reason == fault.Throttled:
		return throttledHint
	case reason == fault.Network:
		return "" // AWS's own trouble: nothing to do but wait
	case a.service == sso.ServiceID, a.service == ssooidc.ServiceID:
		if reason == fault.Denied {
			return fmt.Sprintf("check sso_account_id and sso_role_name of %s in %s", at.profile(), at.files)
		}
		return at.byHand("sso login")
	case isExpired(a.code):
		return fmt.Sprintf("the temporary credentials have ended: write new ones where the old ones are, the environment or %s, or use a role or SSO, which renew themselves", at.files)
	case reason == fault.Credentials:
		return noCredentials(at)
	}
	switch a.code {
	case "UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure":
		return fmt.Sprintf("AWS does not know the access key here: it was deleted or deactivated, belongs to another AWS partition, or the account has not enabled the region; "+
			"%s to see which key it is, and write one that works in the environment or in %s", at.byHand("configure list"), at.files)
	case "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException":
		return fmt.Sprintf("the secret access key does not belong to the access key: write both again, in the environment or in %s", at.files)
	case "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return "the request reached AWS without a signature: check the endpoint and the proxy"
	case "OptInRequired", "SubscriptionRequiredException", "RegionDisabledException":
		return fmt.Sprintf(`enable region %s (or STS in it) for the account, with "aws account enable-region --region-name %s"`, at.region, at.region)
	}
	return permissionHint(a, step, at)
}
