package ecr

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// canary stands for everything that must never be printed.
const canary = "canary-3f9a"

// isolate keeps a test from the machine's own AWS settings and gives the
// folder that takes their place.
func isolate(t testing.TB) string {
	t.Helper()
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return dir
}

// keys gives the environment long-lived keys.
func keys(t testing.TB, id, secret string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fake answers as ECR, ECR Public and STS do, and notes what it is asked.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked
	answer map[string]http.HandlerFunc // by operation; others are answered well
}

type asked struct{ operation, host, body, key, session string }

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{answer: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	// The body must be read to its end, or the server does not notice a client
	// that goes away.
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body := string(raw)
	if operation == "" {
		form, _ := url.ParseQuery(body)
		operation = form.Get("Action")
	}
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ = strings.Cut(key, "/")
	f.mu.Lock()
	f.asked = append(f.asked, asked{operation, r.Host, body, key, r.Header.Get("X-Amz-Security-Token")})
	answer := f.answer[operation]
	f.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	switch {
	case operation == "GetAuthorizationToken" && strings.HasPrefix(r.Header.Get("X-Amz-Target"), "Spencer"):
		fmt.Fprintf(w, `{"authorizationData":{"authorizationToken":%q,"expiresAt":%d}}`, encoded, expiry.Unix())
	case operation == "GetAuthorizationToken":
		fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q,"expiresAt":%d,"proxyEndpoint":"https://111122223333.dkr.ecr.us-east-1.amazonaws.com"}]}`, encoded, expiry.Unix())
	default:
		f.session(w, operation, time.Hour)
	}
}

// session answers an STS operation with credentials that live for life.
func (f *fake) session(w http.ResponseWriter, operation string, life time.Duration) {
	n := len(f.operations(operation))
	fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ASIA%[1]s%[2]d</AccessKeyId>`+
		`<SecretAccessKey>%[4]s</SecretAccessKey><SessionToken>%[4]s</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
		operation, n, time.Now().Add(life).UTC().Format(time.RFC3339), canary)
}

func (f *fake) operations(name string) []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []asked
	for _, a := range f.asked {
		if a.operation == name {
			found = append(found, a)
		}
	}
	return found
}

func (f *fake) set(operation string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer[operation] = h
}

// id is an identity whose calls all go to f.
func (f *fake) id() login.Identity { return login.Identity{EndpointURL: f.URL, STSEndpointURL: f.URL} }

var (
	expiry  = time.Unix(2_000_000_000, 0)
	encoded = base64.StdEncoding.EncodeToString([]byte("AWS:" + canary + ":with:colons"))
)

// refuse answers with an error of the JSON protocol.
func refuse(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Requestid", "req-1")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message)
	}
}

// refuseXML answers with an error of the Query protocol.
func refuseXML(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>req-2</RequestId></ErrorResponse>`, code, message)
	}
}

func newSource(t testing.TB, id login.Identity, o Options) *Source {
	t.Helper()
	return New(id, "us-east-1", false, o)
}

func mustFetch(t testing.TB, s *Source) login.Token {
	t.Helper()
	token, err := s.Fetch(context.Background())
	if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	return token
}

// failFetch gives the one fault of a fetch, which must not tell a secret.
func failFetch(t testing.TB, s *Source) *fault.Error {
	t.Helper()
	token, err := s.Fetch(context.Background())
	if err == nil {
		t.Fatal("Fetch: no error")
	}
	if !token.Secret.IsZero() {
		t.Error("a token came with an error")
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err)} {
		if strings.Contains(text, canary) {
			t.Errorf("the error tells the secret: %s", text)
		}
	}
	f, ok := err.(*fault.Error)
	if !ok {
		t.Fatalf("Fetch: %T, want *fault.Error", err)
	}
	if strings.Contains(f.Hint, canary) {
		t.Errorf("the hint tells the secret: %s", f.Hint)
	}
	for cause := error(f); cause != nil; {
		if strings.Contains(cause.Error(), canary) {
			t.Errorf("a cause tells the secret: %T", cause)
		}
		u, ok := cause.(interface{ Unwrap() error })
		if !ok {
			break
		}
		cause = u.Unwrap()
	}
	return f
}
