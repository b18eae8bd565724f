package ecr

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Whatever is sent or received counts as a secret unless it is known to be none, so
// that a credential provider that the SDK learns later needs no change here.

// plainHeaders are request headers whose values may be shown.
var plainHeaders = words(`Accept Accept-Encoding Amz-Sdk-Invocation-Id Amz-Sdk-Request Content-Length Content-Type Host User-Agent
	X-Amz-Content-Sha256 X-Amz-Date X-Amz-Target X-Amz-User-Agent X-Amzn-Query-Mode X-Aws-Ec2-Metadata-Token-Ttl-Seconds`)

// plainFields are fields of requests and of good answers whose values may be shown:
// names, times and what stands in every error of AWS.
var plainFields = words(`action version rolearn rolesessionname durationseconds serialnumber providerid policyarns policy
	account_id role_name granttype grant_type scope tokentype token_type expiresin expires_in
	expiration expiresat proxyendpoint code type lastupdated accesskeyid accountid arn assumedroleid requestid
	audience provider subjectfromwebidentitytoken packedpolicysize x-amz-date x-amz-algorithm x-amz-signedheaders x-amz-expires`)

func words(text string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// shortestValue is the length, in bytes, from which a value may be a secret, or a number a code.
const shortestValue = 6

// sent lists the secrets of a request.
func sent(r *http.Request, body []byte) []string {
	var secrets []string
	for name, values := range r.Header {
		for _, value := range values {
			switch {
			case plainHeaders[http.CanonicalHeaderKey(name)]:
			case strings.HasPrefix(value, "AWS4-"): // the rest of it stands in AWS's own errors
				_, signature, _ := strings.Cut(value, "Signature=")
				secrets = append(secrets, signature)
			default:
				_, credential, _ := strings.Cut(value, " ") // of "Bearer CREDENTIAL"
				secrets = append(secrets, value, credential)
			}
		}
	}
	for name, values := range r.URL.Query() {
		if !plainFields[strings.ToLower(name)] {
			secrets = append(secrets, values...)
		}
	}
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if len(part) >= 20 && strings.ContainsAny(part, "0123456789") { // ECS puts an id there that opens the credentials
			secrets = append(secrets, part)
		}
	}
	if form, err := url.ParseQuery(string(body)); err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		for name, values := range form {
			if !plainFields[strings.ToLower(name)] {
				secrets = append(secrets, values...)
			}
		}
	}
	return long(append(secrets, fields(body, func(name string) bool { return !plainFields[name] })...))
}

// roleName is the form of what the instance metadata service lists.
var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// received lists the secrets of an answer.
func received(r *http.Request, status int, body []byte) []string {
	if status/100 != 2 {
		return long(fields(body, secretName))
	}
	secrets := fields(body, func(name string) bool { return !plainFields[name] })
	switch text := strings.TrimSpace(string(body)); {
	case r.Method == http.MethodPut: // a session of the metadata service
		secrets = append(secrets, text)
	case len(secrets) == 0 && !roleName.MatchString(text):
		secrets = append(secrets, keyLike.FindAllString(text, -1)...)
	}
	for _, s := range secrets { // ECR's token holds the password
		if decoded, err := base64.StdEncoding.DecodeString(s); err == nil {
			if _, password, found := strings.Cut(string(decoded), ":"); found {
				secrets = append(secrets, password)
			}
		}
	}
	return long(secrets)
}

var field = regexp.MustCompile(`(?s)"([^"\\]{1,64})"\s*:\s*"((?:[^"\\]|\\.)*)"|<([\w.-]{1,64})>([^<]+)</`)

// fields lists the values of the fields of JSON or XML whose names, in lower case,
// are wanted. It finds them in what is cut off or broken too.
func fields(body []byte, wanted func(name string) bool) []string {
	var values []string
	for _, m := range field.FindAllSubmatch(body, -1) {
		name, value := string(m[1]), string(m[2])
		if len(m[3]) > 0 {
			name, value = string(m[3]), string(m[4])
		} else {
			var plain string
			if json.Unmarshal([]byte(`"`+value+`"`), &plain) == nil {
				value = plain
			}
		}
		if wanted(strings.ToLower(name)) {
			values = append(values, value)
		}
	}
	return values
}

// secretName reports whether a field of an error, a file or the environment is one
// whose value must not be shown.
func secretName(name string) bool {
	if strings.HasSuffix(name, "_file") || strings.HasPrefix(name, "credential_") {
		return false // where a secret is, and how to get it
	}
	for _, part := range [...]string{"secret", "token", "password", "credential", "assertion"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func long(values []string) []string {
	kept := values[:0]
	for _, v := range values {
		if len(v) >= shortestValue {
			kept = append(kept, v)
		}
	}
	return kept
}
