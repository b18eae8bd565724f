package ecr

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stated is an error as the SDK makes it from an answer of AWS's.
func stated(service, operation, code, message string, status int, date time.Time) error {
	return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: &awshttp.ResponseError{
		RequestID: "req-1",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status,
				Header: http.Header{"Date": {date.Format(http.TimeFormat)}}}},
			Err: &smithy.GenericAPIError{Code: code, Message: message},
		},
	}}
}

func TestClassifyCodes(t *testing.T) {
	tests := []struct {
		reason fault.Reason
		status int
		codes  string
	}{
		{fault.Throttled, 400, "Throttling ThrottlingException ThrottledException RequestThrottledException TooManyRequestsException RequestLimitExceeded SlowDown BandwidthLimitExceeded RequestThrottled"},
		{fault.Throttled, 429, "AnythingAtAll"},
		{fault.Network, 500, "ServerException InternalFailure InternalServerError NeverHeardOf AccessDenied"},
		{fault.Network, 503, "ServiceUnavailable ServiceUnavailableException"},
		{fault.Network, 400, "RequestTimeout RequestTimeoutException ServerException IDPCommunicationError"},
		{fault.Credentials, 400, "ExpiredToken ExpiredTokenException RequestExpired InvalidIdentityToken IDPRejectedClaim"},
		{fault.Denied, 400, "AccessDenied AccessDeniedException UnrecognizedClientException InvalidClientTokenId SignatureDoesNotMatch InvalidSignatureException MissingAuthenticationToken MissingAuthenticationTokenException OptInRequired SubscriptionRequiredException RegionDisabledException RequestTimeTooSkewed ValidationError IncompleteSignature NeverHeardOf"},
	}
	for _, tt := range tests {
		for _, code := range strings.Fields(tt.codes) {
			err := &stepError{step: stepToken, err: stated("ECR", "GetAuthorizationToken", code, "why", tt.status, noon)}
			f := classify(err, situation{region: "eu-west-1", files: "F", now: noon})
			if f.Reason != tt.reason {
				t.Errorf("%s with status %d: %s, want %s", code, tt.status, f.Reason, tt.reason)
			}
			if want := "get ECR authorization token in eu-west-1 as default: " + code + ": why (request id req-1)"; f.Error() != want {
				t.Errorf("got  %s\nwant %s", f, want)
			}
			if f.Hint == "" && tt.reason != fault.Network {
				t.Errorf("%s: no hint", code)
			}
			if errors.As(f, new(smithy.APIError)) {
				t.Errorf("%s: the SDK's error, which may hold anything, has not been left behind", code)
			}
		}
	}
	for code := range retry.DefaultThrottleErrorCodes {
		if f := classify(stated("STS", "AssumeRole", code, "", 400, noon), situation{now: noon}); f.Reason != fault.Throttled {
			t.Errorf("%s: %s", code, f.Reason)
		}
	}
}

func TestClassifyHints(t *testing.T) {
	at := situation{id: login.Identity{Profile: "ci"}, region: "eu-west-1", files: "FILES", now: noon, timeout: time.Second}
	public := at
	public.public, public.region = true, publicRegion
	ours := func(code, message string, date time.Time) error {
		return &stepError{step: stepToken, err: stated("ECR", "GetAuthorizationToken", code, message, 400, date)}
	}
	role := func(code, message string) error {
		return &stepError{step: stepRole, subject: "arn:r", err: stated("STS", "AssumeRole", code, message, 403, noon)}
	}
	dns := &smithyhttp.RequestSendError{Err: &net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}}
	fips := at
	fips.id.FIPS = true
	tests := []struct {
		name   string
		err    error
		at     situation
		reason fault.Reason
		text   string
		hint   string
	}{
		{"permission", ours("AccessDeniedException", "no", noon), at, fault.Denied, "no", `allow "ecr:GetAuthorizationToken" on Resource "*"`},
		{"public permission", ours("AccessDeniedException", "no", noon), public, fault.Denied, "get ECR Public authorization token as", `"ecr-public:GetAuthorizationToken" and "sts:GetServiceBearerToken"`},
		{"role", role("AccessDenied", "no"), at, fault.Denied, `assume role "arn:r": AccessDenied: no`, `allow "sts:AssumeRole" on "arn:r"`},
		{"role's trust", role("AccessDenied", "no"), at, fault.Denied, "", "trust policy"},
		{"mfa", role("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."), at, fault.Denied, "", "aws.mfa.code_command"},
		{"bad role name", role("ValidationError", "no"), at, fault.Denied, "", "check aws.role_arn"},
		{"role of a profile", stated("STS", "AssumeRole", "AccessDenied", "no", 403, noon), at, fault.Denied, "STS AssumeRole: AccessDenied: no", `profile "ci"`},
		{"sso session", stated("SSO", "GetRoleCredentials", "UnauthorizedException", "no", 401, noon), at, fault.Credentials, "", `"aws sso login --profile ci"`},
		{"sso refresh", stated("SSO OIDC", "CreateToken", "InvalidGrantException", "no", 400, noon), at, fault.Credentials, "", `"aws sso login --profile ci"`},
		{"sso role", stated("SSO", "GetRoleCredentials", "ForbiddenException", "no", 403, noon), at, fault.Denied, "", "sso_role_name"},
		{"unknown key", ours("UnrecognizedClientException", "no", noon), at, fault.Denied, "", "aws configure list"},
		{"wrong secret", ours("SignatureDoesNotMatch", "no", noon), at, fault.Denied, "", "FILES"},
		{"expired", ours("ExpiredTokenException", "no", noon), at, fault.Credentials, "", "write new ones"},
		{"clock ahead", ours("InvalidSignatureException", "Signature expired: x", noon.Add(-2*time.Hour)), at, fault.Denied, "", "2h0m0s ahead of AWS"},
		{"clock behind", ours("InvalidSignatureException", "Signature not yet current: x", noon.Add(17*time.Minute)), at, fault.Denied, "", "17m0s behind AWS"},
		{"clock, no date", ours("RequestTimeTooSkewed", "x", time.Time{}.AddDate(-1, 0, 0)), at, fault.Denied, "", "timedatectl"},
		{"clock, expired", ours("RequestExpired", "x", noon.Add(-time.Hour)), at, fault.Credentials, "", "1h0m0s ahead"},
		{"clock, signature", ours("SignatureDoesNotMatch", "Signature expired: x", noon.Add(time.Hour)), at, fault.Denied, "", "chronyc makestep"},
		{"region not enabled", ours("OptInRequired", "x", noon), at, fault.Denied, "", "aws account enable-region --region-name eu-west-1"},
		{"dns", &stepError{step: stepToken, err: dns}, at, fault.Network, "no such host", "com.amazonaws.eu-west-1.ecr.api"},
		{"dns of STS", &stepError{step: stepRole, subject: "r", err: dns}, at, fault.Network, "no such host", "com.amazonaws.eu-west-1.sts"},
		{"dns, public", &stepError{step: stepToken, err: dns}, public, fault.Network, "", "ECR Public has no VPC endpoint"},
		{"dns, fips", &stepError{step: stepToken, err: dns}, fips, fault.Network, "", "FIPS endpoints exist only"},
		{"time", fmt.Errorf("%w: x", errTimeout), at, fault.Network, "no answer within 1s", "HTTPS_PROXY"},
		{"no status of AWS's", &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 407}}, Err: errors.New(canary)}, at, fault.Network, "HTTP status 407", "HTTPS_PROXY"},
		{"429 of a proxy's", &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 429}}, Err: errors.New(canary)}, at, fault.Throttled, "429", "quota"},
		{"a profile half written", errors.New("Error using profile: \n 1, partial credentials found"), at, fault.Credentials, "profile: 1, partial", "FILES"},
		{"a wrong variable", errors.New("invalid value for environment variable, AWS_USE_FIPS_ENDPOINT=x"), at, fault.Local, "AWS_USE_FIPS_ENDPOINT", "environment"},
		{"something else", errors.New("odd"), at, fault.Credentials, "odd", "aws sts get-caller-identity"},
		{"a refused setting", &stepError{step: stepToken, err: errors.New("endpoint rule error, Invalid Configuration: FIPS and custom endpoint are not supported")}, at, fault.Local, "FIPS and custom endpoint", "AWS_ENDPOINT_URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := classify(tt.err, tt.at)
			if f.Reason != tt.reason || !strings.Contains(f.Error(), tt.text) || !strings.Contains(f.Hint, tt.hint) {
				t.Errorf("%s: %v\nhint: %s\nwant %s, %q, %q", f.Reason, f, f.Hint, tt.reason, tt.text, tt.hint)
			}
			if text := f.Error() + f.Hint; strings.Contains(text, canary) || strings.Contains(text, "operation error") {
				t.Errorf("too much is told: %s", text)
			}
		})
	}
}

// TestAnExplainedSignatureTellsNoToken: AWS explains a wrong signature with the
// request as it saw it, session token and all.
func TestAnExplainedSignatureTellsNoToken(t *testing.T) {
	isolate(t)
	keys(t, "ASIA1", canary)
	t.Setenv("AWS_SESSION_TOKEN", canary)
	f := newFake(t)
	f.set("GetAuthorizationToken", refuse(403, "SignatureDoesNotMatch",
		"The request signature we calculated does not match.\n\nThe Canonical String was\nx-amz-security-token:secret-after-newline"))
	err := failFetch(t, newSource(t, f.id(), Options{}))
	if err.Reason != fault.Denied || strings.Contains(err.Error(), "secret-after-newline") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", err.Reason, err)
	}
}

func TestACredentialProcessTellsNothing(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"no JSON", "echo '" + canary + "'", "something else than credentials"},
		{"cut JSON", `echo '{"Version":1,"SecretAccessKey":"` + canary + `"'`, "something else than credentials"},
		{"it fails", "echo '" + canary + "'; exit 7", "exit status 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := isolate(t)
			write(t, filepath.Join(dir, "script"), tt.script)
			write(t, filepath.Join(dir, "config"), "[profile ci]\ncredential_process=sh "+filepath.Join(dir, "script")+"\n")
			f := newFake(t)
			id := f.id()
			id.Profile = "ci"
			err := failFetch(t, newSource(t, id, Options{}))
			if err.Reason != fault.Credentials || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Hint, "by hand") {
				t.Errorf("%s: %v (%s)", err.Reason, err, err.Hint)
			}
		})
	}
}

// TestBrokenConnections has the errors of real sockets.
func TestBrokenConnections(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	f.set("GetAuthorizationToken", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	f.set("AssumeRole", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "<AssumeRoleResponse>", canary)
	})
	role := f.id()
	role.RoleARNs = []string{"arn:r"}
	closed := login.Identity{EndpointURL: "http://127.0.0.1:1"}
	for name, id := range map[string]login.Identity{"dropped": f.id(), "cut off": role, "refused": closed} {
		if err := failFetch(t, newSource(t, id, Options{})); err.Reason != fault.Network || err.Hint == "" {
			t.Errorf("%s: %s: %v (%s)", name, err.Reason, err, err.Hint)
		}
	}
	f.set("GetAuthorizationToken", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>", canary)
	})
	if err := failFetch(t, newSource(t, f.id(), Options{})); err.Reason != fault.Network || !strings.Contains(err.Error(), "502") {
		t.Errorf("%s: %v", err.Reason, err)
	}
}

func TestSignInsToDoByHand(t *testing.T) {
	session := "[profile ci]\nsso_session=x\nsso_account_id=111122223333\nsso_role_name=r\n[sso-session x]\nsso_region=us-east-1\nsso_start_url=https://127.0.0.1:1/\n"
	legacy := "[profile ci]\nsso_region=us-east-1\nsso_start_url=https://127.0.0.1:1/\nsso_account_id=111122223333\nsso_role_name=r\n"
	tests := []struct{ name, config, want string }{
		{"sso session", session, "aws sso login --profile ci"},
		{"sso without a session", legacy, "aws sso login --profile ci"},
		{"login", "[profile ci]\nlogin_session=arn:aws:iam::111122223333:user/u\n", "aws login --profile ci"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, filepath.Join(isolate(t), "config"), tt.config)
			if err := failFetch(t, newSource(t, login.Identity{Profile: "ci"}, Options{})); err.Reason != fault.Credentials || !strings.Contains(err.Hint, tt.want) {
				t.Errorf("%s: %v (%s)", err.Reason, err, err.Hint)
			}
		})
	}
}
