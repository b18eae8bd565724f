package attacks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// code is the one-time code that the MFA commands of the tests print.
const code = "391827"

// The requests that a cloud tells apart.
const (
	askToken       = "GetAuthorizationToken"
	askPublicToken = "GetAuthorizationToken of ECR Public"
	askRole        = "AssumeRole"
	askWebRole     = "AssumeRoleWithWebIdentity"
	askSession     = "GetSessionToken"
	askSSO         = "GetRoleCredentials"
	askSSOToken    = "CreateToken"
	askIMDSToken   = "IMDS token"
	askIMDSRoles   = "IMDS roles"
	askIMDSKeys    = "IMDS credentials"
	askContainer   = "container credentials"
	askPing        = "ping"
	askLogin       = "engine login"
)

// cloud answers, at one address, every request on the way to a token and a login
// as it should, but for the one that it attacks. All that is sent either way
// goes into its ledger.
type cloud struct {
	*httptest.Server
	ledger *ledger

	victim   string           // the request that is attacked; none where it is empty
	attack   attack           // in the way of an echo
	hook     http.HandlerFunc // or in its place
	subjects int              // how many values were known to an echo

	mu    sync.Mutex
	asked map[string]int
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{ledger: newLedger(), asked: map[string]int{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) count(request string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[request]
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.ledger.request(r, body)
	request := nameOf(r, body)
	c.mu.Lock()
	c.asked[request]++
	c.mu.Unlock()
	if request == c.victim && c.hook != nil {
		c.hook(w, r)
		return
	}
	honest := httptest.NewRecorder()
	c.answer(honest, request)
	answered := honest.Body.Bytes()
	if request != c.victim {
		c.sent(request, answered)
		for name, values := range honest.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(honest.Code)
		_, _ = w.Write(answered) // a client that is gone is its own matter
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = conn.Write(c.attack.make(c, request, honest.Result(), answered))
}

// sent notes an answer.
func (c *cloud) sent(request string, body []byte) {
	where := request + " answer"
	if request == askIMDSRoles {
		where += "/role list"
	}
	c.ledger.body(where, body)
}

// nameOf tells which request it is.
func nameOf(r *http.Request, body []byte) string {
	target := r.Header.Get("X-Amz-Target")
	switch path := r.URL.Path; {
	case strings.HasPrefix(target, "Spencer"):
		return askPublicToken
	case target != "":
		return askToken
	case path == "/federation/credentials":
		return askSSO
	case path == "/token":
		return askSSOToken
	case strings.HasSuffix(path, "/api/token"):
		return askIMDSToken
	case strings.HasSuffix(path, "/security-credentials/"):
		return askIMDSRoles
	case strings.Contains(path, "/security-credentials/"):
		return askIMDSKeys
	case strings.HasSuffix(path, "/container"):
		return askContainer
	case strings.HasSuffix(path, "/_ping"):
		return askPing
	case strings.HasSuffix(path, "/auth"):
		return askLogin
	}
	form, _ := url.ParseQuery(string(body))
	return form.Get("Action")
}

// answer is what an honest service says. Every secret in it is a new one.
func (c *cloud) answer(w *httptest.ResponseRecorder, request string) {
	end := time.Now().Add(6 * time.Hour)
	keys := map[string]any{"Code": "Success", "AccessKeyId": "ASIACLOUD", "SecretAccessKey": newSecret(40), "Token": newSecret(120),
		"Expiration": end.UTC().Format(time.RFC3339)}
	token := map[string]any{"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:" + newSecret(200))),
		"expiresAt": end.Unix(), "proxyEndpoint": "https://111122223333.dkr.ecr.us-east-1.amazonaws.com"}
	w.Header().Set("Content-Type", "application/json")
	write := func(object any) {
		text, err := json.Marshal(object)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(text)
	}
	switch request {
	case askToken:
		write(map[string]any{"authorizationData": []any{token}})
	case askPublicToken:
		write(map[string]any{"authorizationData": token})
	case askRole, askWebRole, askSession:
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ASIASTS</AccessKeyId>`+
			`<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
			request, newSecret(40), newSecret(120), end.UTC().Format(time.RFC3339))
	case askSSO:
		write(map[string]any{"roleCredentials": map[string]any{"accessKeyId": "ASIASSO", "secretAccessKey": newSecret(40),
			"sessionToken": newSecret(120), "expiration": end.UnixMilli()}})
	case askSSOToken:
		write(map[string]any{"accessToken": newSecret(80), "expiresIn": 3600, "refreshToken": newSecret(80), "tokenType": "Bearer"})
	case askIMDSToken:
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, newSecret(56))
	case askIMDSRoles:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "pull")
	case askIMDSKeys, askContainer:
		write(keys)
	case askPing:
		w.Header().Set("Api-Version", "1.41")
		_, _ = io.WriteString(w, "OK")
	case askLogin:
		write(map[string]any{"Status": "Login Succeeded", "IdentityToken": ""})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
