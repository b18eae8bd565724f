package ecr

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
)

func TestDecode(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct{ name, encoded, user, want string }{
		{"as documented", b64("AWS:pw"), "AWS", "pw"},
		{"split at the first colon", b64("AWS:p:w:"), "AWS", "p:w:"},
		{"nothing", "", "", ""},
		{"not base64", "%%%" + canary, "", ""},
		{"no colon", b64(canary), "", ""},
		{"no user", b64(":" + canary), "", ""},
		{"no password", b64("AWS:"), "", ""},
		{"a line break in the password", b64("AWS:" + canary + "\r\nX-Header: 1"), "", ""},
		{"an escape sequence in the user", b64("AWS\x1b[2J:" + canary), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user, secret, err := decode(tt.encoded)
			if user != tt.user || secret.Reveal() != tt.want {
				t.Errorf("got %q and %q", user, secret.Reveal())
			}
			if (err == nil) != (tt.want != "") || err != nil && !errors.As(err, new(answerError)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	tests := []struct{ name, endpoint, want string }{
		{"as documented", "https://111122223333.dkr.ecr.us-east-1.amazonaws.com", "111122223333"},
		{"no scheme", "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", "111122223333"},
		{"none", "", ""},
		{"no account", "https://registry.example.com", ""},
		{"too short", "https://1234.dkr.ecr.us-east-1.amazonaws.com", ""},
	}
	for _, tt := range tests {
		if got := account(tt.endpoint); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add("QVdTOnB3", "https://111122223333.dkr.ecr.us-east-1.amazonaws.com")
	f.Add("QVdT", "://.")
	f.Add("", "")
	f.Add("====", "111122223333")
	f.Fuzz(func(t *testing.T, encoded, endpoint string) {
		token, err := answer{encoded: encoded, endpoint: endpoint}.token(false)
		if err != nil {
			if len(encoded) > 12 && strings.Contains(err.Error(), encoded) {
				t.Errorf("the error quotes the answer: %v", err)
			}
			if !token.Secret.IsZero() {
				t.Error("a secret came with an error")
			}
			return
		}
		if token.Username == "" || strings.Contains(token.Username, ":") || token.Secret.IsZero() {
			t.Errorf("user %q or an empty password passed", token.Username)
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || string(raw) != token.Username+":"+token.Secret.Reveal() {
			t.Error("user and password do not make up the token")
		}
		if token.Account != "" && len(token.Account) != 12 {
			t.Errorf("account %q", token.Account)
		}
	})
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	tests := []struct {
		name, body string
		public     bool
		want       string
	}{
		{"an empty body", "", false, "no authorization token"},
		{"an empty object", "{}", false, "no authorization token"},
		{"an empty list", `{"authorizationData":[]}`, false, "no authorization token"},
		{"null", `{"authorizationData":[{"authorizationToken":null}]}`, false, "no authorization token"},
		{"public: null", `{"authorizationData":null}`, true, "no authorization token"},
		{"no base64", `{"authorizationData":[{"authorizationToken":"` + canary + `"}]}`, false, "not base64"},
		{"public: no base64", `{"authorizationData":{"authorizationToken":"` + canary + `"}}`, true, "not base64"},
		{"no JSON", "<html>" + canary, false, "cannot be read"},
		{"cut off", `{"authorizationData":[{"authorizationToken":"` + canary, false, ""},
		{"a number", `{"authorizationData":[{"authorizationToken":17,"expiresAt":"` + canary + `"}]}`, false, ""},
		{"an odd expiry", `{"authorizationData":[{"authorizationToken":"` + encoded + `","expiresAt":"` + canary + `"}]}`, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			f.set("GetAuthorizationToken", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.body) })
			s := New(f.id(), "us-east-1", tt.public, Options{})
			got := failFetch(t, s)
			if got.Reason != fault.Invalid || !strings.Contains(got.Error(), tt.want) || got.Hint == "" {
				t.Errorf("%s: %v", got.Reason, got)
			}
		})
	}
}
