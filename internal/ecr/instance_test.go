package ecr

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLookUpInstance(t *testing.T) {
	const identity = "/latest/dynamic/instance-identity/document"
	const roles = "/latest/meta-data/iam/security-credentials/"
	const document = `{"accountId":"111122223333","region":"us-east-1"}`
	known := Instance{Account: "111122223333", Region: "us-east-1"}
	withRole := known
	withRole.Role = "build"
	tests := []struct {
		name    string
		answers map[string]string // by path; a number is a status, another path a redirect
		want    Instance
		fails   bool
	}{
		{"with a role", map[string]string{identity: document, roles: "build\n"}, withRole, false},
		{"without a role", map[string]string{identity: document}, known, false},
		{"no JSON", map[string]string{identity: "<html>"}, Instance{}, true},
		{"refusing", map[string]string{identity: "403"}, Instance{}, true},
		{"refusing the role", map[string]string{identity: document, roles: "403"}, known, true},
		{"redirecting", map[string]string{identity: "/elsewhere", "/elsewhere": document}, Instance{}, true},
		{"echoing the session", map[string]string{identity: "{session"}, Instance{}, true},
		{"without end", map[string]string{identity: `{"accountId":"` + strings.Repeat("1", 2*answerLimit) + `"}`}, Instance{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var agreed bool // on version 2
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, ok := tt.answers[r.URL.Path]
				switch {
				case r.URL.Path == "/latest/api/token":
					w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
					fmt.Fprint(w, "session")
				case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "session":
					w.WriteHeader(http.StatusUnauthorized)
				case !ok:
					w.WriteHeader(http.StatusNotFound)
				case text == "403":
					w.WriteHeader(http.StatusForbidden)
				case strings.HasPrefix(text, "/"):
					http.Redirect(w, r, text, http.StatusTemporaryRedirect)
				default:
					agreed = true
					fmt.Fprint(w, text)
				}
			}))
			defer s.Close()
			got, err := LookUpInstance(t.Context(), s.URL)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), "session") {
				t.Errorf("%v: the session gets out", err)
			}
			if !tt.fails && !agreed {
				t.Error("not by version 2")
			}
		})
	}
}
