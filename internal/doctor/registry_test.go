package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

// over sends every request to a server of the test, whatever its host.
type over struct{ to *httptest.Server }

func (o over) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host, r.URL.Scheme = strings.TrimPrefix(o.to.URL, "http://"), "http"
	return http.DefaultTransport.RoundTrip(r)
}

func TestWhatARegistrysAnswerMeans(t *testing.T) {
	const host = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	token := login.Token{Username: "AWS", Secret: login.NewSecret("a-secret-that-nobody-sees")}.For(host)
	tests := []struct {
		name   string
		held   held
		status int
		mark   Mark
		want   string
	}{
		{"accepted", held{host: host, login: token}, 200, OK, "accepts the login"},
		{"no login to send", held{host: host}, 401, OK, "without a login"},
		{"public", held{host: "public.ecr.aws", public: true, login: token}, 401, OK, "without a login"},
		{"expired", held{host: host, login: token}, 403, Fault, "refuses the login (403)"},
		{"refused", held{host: host, login: token}, 401, Fault, "refuses the login (401)"},
		{"another region", held{host: host, region: "eu-west-1", login: token}, 400, Fault, "another region"},
		{"a proxy", held{host: host, login: token}, 407, Fault, "proxy"},
		{"broken", held{host: host, login: token}, 503, Fault, "503"},
		{"a portal", held{host: host, login: token}, 302, Fault, "302"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, password, sent := r.BasicAuth()
				if sent != (!tt.held.public && !tt.held.login.Secret.IsZero()) {
					t.Errorf("a login was sent: %t", sent)
				}
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte("echo " + password))
			}))
			defer server.Close()
			web := &http.Client{Transport: over{server}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			checks := ask(context.Background(), web, tt.held)
			if c := checks[0]; c.Mark != tt.mark || !strings.Contains(c.Text, tt.want) || c.Mark == Fault && c.Cure == "" {
				t.Errorf("got %+v, want %s: %q", c, tt.mark, tt.want)
			}
			for _, c := range checks {
				if strings.Contains(c.Text+c.Cure, "secret") {
					t.Errorf("the answer's text is shown: %+v", c)
				}
			}
		})
	}
}

func TestClocksAreCompared(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		ahead time.Duration
		want  string // empty: in order
	}{
		{0, ""}, {5 * time.Minute, ""}, {-5 * time.Minute, ""},
		{5*time.Minute + time.Second, "5m1s ahead of AWS's"}, {-2 * time.Hour, "2h0m0s behind AWS's"},
	}
	for _, tt := range tests {
		c := compare(now.Add(tt.ahead), now)
		if (c.Mark == Fault) != (tt.want != "") || tt.want != "" && c.Text != tt.want {
			t.Errorf("%s ahead: got %+v, want %q", tt.ahead, c, tt.want)
		}
	}
}
