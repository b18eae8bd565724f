package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"ecr-refreshd/internal/registry"
)

const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	signingTime      = "20060102T150405Z"
	maxSigningSkew   = 5 * time.Minute
	tokenHeader      = "X-Amz-Security-Token"
)

// signature is the Authorization header of a signed request, taken apart.
type signature struct {
	accessKey, day, region, service string // the credential and its scope
	headers                         []string
	value                           string
}

// parseSignature takes an Authorization header apart.
func parseSignature(header string) (signature, bool) {
	fields, ok := strings.CutPrefix(header, signingAlgorithm+" ")
	if !ok {
		return signature{}, false
	}
	parts := map[string]string{}
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || slices.Contains(scope, "") ||
		parts["SignedHeaders"] == "" || parts["Signature"] == "" {
		return signature{}, false
	}
	return signature{
		accessKey: scope[0], day: scope[1], region: scope[2], service: scope[3],
		headers: strings.Split(parts["SignedHeaders"], ";"),
		value:   parts["Signature"],
	}, true
}

// authenticate finds out who signed r, whose body is given apart, for service.
// The HTTP status of its error is the service's affair.
func (p *people) authenticate(r *http.Request, body []byte, service string, now time.Time) (*principal, *apiError) {
	sig, ok := parseSignature(r.Header.Get("Authorization"))
	if !ok {
		return nil, missingSignature(service)
	}
	if sig.service != service {
		return nil, badSignature("Credential should be scoped to correct service: %q.", service)
	}
	if !registry.ValidRegion(sig.region) {
		return nil, badRegion(sig.region)
	}
	who, ok := p.byKey.get(sig.accessKey)
	if !ok {
		return nil, unknownKey(service)
	}
	at, err := time.Parse(signingTime, r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != sig.day {
		return nil, badSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	if skew := now.Sub(at); skew > maxSigningSkew {
		return nil, badSignature("Signature expired: %s is now earlier than %s (%s - 5 min.)", at.Format(signingTime),
			now.Add(-maxSigningSkew).UTC().Format(signingTime), now.UTC().Format(signingTime))
	} else if skew < -maxSigningSkew {
		return nil, badSignature("Signature not yet current: %s is still later than %s (%s + 5 min.)", at.Format(signingTime),
			now.Add(maxSigningSkew).UTC().Format(signingTime), now.UTC().Format(signingTime))
	}
	if !sameSecret(r.Header.Get(tokenHeader), who.sessionToken) {
		return nil, &apiError{Code: "ExpiredTokenException", Message: "The security token included in the request is invalid."}
	}
	want, err := resign(r, body, sig, who, at)
	if err != nil || !sameSecret(want, sig.value) {
		return nil, badSignature("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if !who.ends.IsZero() && !now.Before(who.ends) {
		return nil, &apiError{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}
	}
	return who, nil
}

// resign computes the signature that r should have: over its signed headers,
// the body as it arrived, and every x-amz- header, signed or not, because a
// client must sign all of those.
func resign(r *http.Request, body []byte, sig signature, who *principal, at time.Time) (string, error) {
	c, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return "", err
	}
	c.Host = r.Host
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if slices.Contains(sig.headers, lower) || strings.HasPrefix(lower, "x-amz-") {
			c.Header[name] = slices.Clone(values) // the signer writes into it
		}
	}
	if slices.Contains(sig.headers, "content-length") {
		c.ContentLength = int64(len(body))
	}
	sum := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: who.accessKey, SecretAccessKey: who.secret, SessionToken: who.sessionToken}
	if err := v4.NewSigner().SignHTTP(r.Context(), creds, c, hex.EncodeToString(sum[:]), sig.service, sig.region, at); err != nil {
		return "", err
	}
	own, _ := parseSignature(c.Header.Get("Authorization"))
	return own.value, nil
}

func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func badSignature(format string, args ...any) *apiError {
	return &apiError{Code: "SignatureDoesNotMatch", Message: fmt.Sprintf(format, args...)}
}

func badRegion(region string) *apiError {
	return badSignature("Credential should be scoped to a valid region, not %q.", region)
}

func missingSignature(service string) *apiError {
	if service == "sts" {
		return &apiError{Code: "MissingAuthenticationToken", Message: "Request is missing Authentication Token"}
	}
	return &apiError{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
}

func unknownKey(service string) *apiError {
	const message = "The security token included in the request is invalid."
	if service == "sts" {
		return &apiError{Code: "InvalidClientTokenId", Message: message}
	}
	return &apiError{Code: "UnrecognizedClientException", Message: message}
}
