package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestWrongCredentialsAreRefused(t *testing.T) {
	s := start(t, Options{})
	p := DefaultPrincipal()
	tests := []struct {
		name             string
		key, secret, tok string
		wantECR, wantSTS string
	}{
		{"good", p.AccessKeyID, p.SecretAccessKey, "", "", ""},
		{"wrong secret key", p.AccessKeyID, "not-the-key", "", "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
		{"unknown access key", "AKIANOBODY", p.SecretAccessKey, "", "UnrecognizedClientException", "InvalidClientTokenId"},
		{"session token that is none", p.AccessKeyID, p.SecretAccessKey, "x", "ExpiredTokenException", "ExpiredTokenException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			creds := credentials.NewStaticCredentialsProvider(tt.key, tt.secret, tt.tok)
			_, err := ecr.NewFromConfig(awsConfig(s, region, creds)).GetAuthorizationToken(t.Context(), nil)
			if got := code(err); got != tt.wantECR || (err == nil) != (tt.wantECR == "") {
				t.Errorf("ECR: %v, want %q", err, tt.wantECR)
			}
			_, err = stsClient(s, creds).GetCallerIdentity(t.Context(), nil)
			if got := code(err); got != tt.wantSTS || (err == nil) != (tt.wantSTS == "") {
				t.Errorf("STS: %v, want %q", err, tt.wantSTS)
			}
		})
	}
}

// signed makes a good request for an ECR token, signed at that time.
func signed(t *testing.T, s *Server, body string, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", ecrTarget+".GetAuthorizationToken")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sum := sha256.Sum256([]byte(body))
	p := DefaultPrincipal()
	creds := aws.Credentials{AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), "ecr", region, at); err != nil {
		t.Fatal(err)
	}
	return r
}

func setBody(r *http.Request, body string) {
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
}

func TestTamperedRequestsAreRefused(t *testing.T) {
	now := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	s := start(t, Options{Now: func() time.Time { return now }})
	tests := []struct {
		name   string
		at     time.Time
		tamper func(*http.Request)
		want   string // in the answer; empty: it is good
	}{
		{"untouched", now, func(*http.Request) {}, ""},
		{"body", now, func(r *http.Request) { setBody(r, `{"registryIds":[]}`) }, "SignatureDoesNotMatch"},
		{"body of the same length", now, func(r *http.Request) { setBody(r, "[]") }, "SignatureDoesNotMatch"},
		{"signed header", now, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "SignatureDoesNotMatch"},
		{"host", now, func(r *http.Request) { r.Host = "api.ecr.eu-west-1.amazonaws.com" }, "SignatureDoesNotMatch"},
		{"x-amz header that is not signed", now, func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") }, "SignatureDoesNotMatch"},
		{"other header that is not signed", now, func(r *http.Request) { r.Header.Set("User-Agent", "x") }, ""},
		{"region", now, func(r *http.Request) { inAuthorization(r, region, "us-east-1") }, "SignatureDoesNotMatch"},
		{"region that is none", now, func(r *http.Request) { inAuthorization(r, region, "moon") }, "valid region"},
		{"service", now, func(r *http.Request) { inAuthorization(r, "/ecr/", "/sts/") }, "correct service"},
		{"day of the scope", now, func(r *http.Request) { inAuthorization(r, "20260301", "20260302") }, "Date in Credential scope"},
		{"no signature", now, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		{"nearly stale", now.Add(-5 * time.Minute), func(*http.Request) {}, ""},
		{"stale", now.Add(-5*time.Minute - time.Second), func(*http.Request) {}, "Signature expired"},
		{"nearly too early", now.Add(5 * time.Minute), func(*http.Request) {}, ""},
		{"too early", now.Add(5*time.Minute + time.Second), func(*http.Request) {}, "not yet current"},
		{"other target", now, func(r *http.Request) { r.Header.Set("X-Amz-Target", ecrTarget+".CreateRepository") }, "UnknownOperationException"},
		{"other service's target", now, func(r *http.Request) { r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables") }, "UnknownOperationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, s, "{}", tt.at)
			tt.tamper(r)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
				return
			}
			if resp.StatusCode != http.StatusBadRequest || !bytes.Contains(body, []byte(tt.want)) {
				t.Errorf("%d %s, want 400 %q", resp.StatusCode, body, tt.want)
			}
			if !bytes.Contains(body, []byte(`"__type":"`+resp.Header.Get("X-Amzn-ErrorType")+`"`)) {
				t.Errorf("X-Amzn-ErrorType %q and the body %s differ", resp.Header.Get("X-Amzn-ErrorType"), body)
			}
		})
	}
}

func inAuthorization(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

// The SDK corrects its clock by the Date of an answer that refuses its
// signature; that must work here as it does with AWS.
func TestSDKCorrectsItsClock(t *testing.T) {
	c := &clock{ahead: 13 * time.Hour}
	s := start(t, Options{Now: c.now})
	config := awsConfig(s, region, static(DefaultPrincipal()))
	config.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	}
	if _, err := ecr.NewFromConfig(config).GetAuthorizationToken(t.Context(), nil); err != nil {
		t.Errorf("ECR: %v", err)
	}
	if _, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Errorf("STS: %v", err)
	}
}

func FuzzParseSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AK/20260301/eu-west-1/ecr/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=,Signature=")
	f.Add("Basic QVdTOng=")
	f.Fuzz(func(t *testing.T, header string) {
		got, ok := parseSignature(header)
		if !ok {
			return
		}
		again := signingAlgorithm + " Credential=" + strings.Join([]string{got.accessKey, got.day, got.region, got.service, "aws4_request"}, "/") +
			", SignedHeaders=" + strings.Join(got.headers, ";") + ", Signature=" + got.value
		back, ok := parseSignature(again)
		if !ok || back.accessKey != got.accessKey || back.region != got.region || back.value != got.value || len(back.headers) != len(got.headers) {
			t.Errorf("%q gives %+v, which gives %+v", header, got, back)
		}
	})
}

// A signed request must survive any body and host the emulator is sent.
func FuzzAuthenticate(f *testing.F) {
	p, err := newPeople([]Principal{DefaultPrincipal()}, nil)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Add("AWS4-HMAC-SHA256 Credential="+DefaultPrincipal().AccessKeyID+"/20260301/eu-west-1/ecr/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff", "127.0.0.1:1", []byte("{}"))
	f.Fuzz(func(t *testing.T, authorization, host string, body []byte) {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://localhost/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", now.Format(signingTime))
		if _, no := p.authenticate(r, body, "ecr", now); no == nil {
			t.Errorf("a forged signature was taken: %q", authorization)
		}
	})
}
