package engine

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
)

// TestWhatIsInFrontOfAnEngineIsTold: an answer of a socket proxy says nothing about the
// token, so that it must not be taken for the registry's.
func TestWhatIsInFrontOfAnEngineIsTold(t *testing.T) {
	const html, text, json = "text/html", "text/plain; charset=utf-8", "application/json"
	tests := []struct {
		name, kind, body string
		status           int
		path             string // whose answer it is
		want             fault.Reason
		elsewhere        bool
	}{
		{"HTML 403 for auth", html, "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>", 403, "/auth", fault.Engine, true},
		{"HTML 403 for all", html, "<html>no</html>", 403, "", fault.Engine, true},
		{"text 403", text, "Forbidden", 403, "/auth", fault.Engine, true},
		{"JSON 403", json, `{"message": "forbidden"}`, 403, "/auth", fault.Engine, true},
		{"403 without a body", "", "", 403, "/auth", fault.Engine, true},
		{"405", text, "Method Not Allowed", 405, "/auth", fault.Engine, true},
		{"HTML 502 for all", html, "<html>bad gateway</html>", 502, "", fault.Engine, true},
		{"HTML 404 of a web server", html, "<html>not found</html>", 404, "", fault.Engine, true},
		{"a plugin of the engine", json, `{"message": "authorization denied by plugin opa: no"}`, 403, "/auth", fault.Engine, false},
		{"the registry", json, `{"message": "login attempt failed with status: 403 Forbidden"}`, 500, "/auth", fault.Rejected, false},
		{"the registry, as newer engines say it", json, `{"message": "unauthorized"}`, 401, "/auth", fault.Rejected, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			socket := socketPath(t)
			engine := &fakeEngine{version: "1.41"}
			serve(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, tt.path) {
					engine.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			err := newTarget(Options{Host: "unix://" + socket}).Store(t.Context(), loginsFor(manyHosts(3)...))
			var e *fault.Error
			if !errors.As(err, &e) || e.Reason != tt.want || strings.Contains(e.Hint, uses) != tt.elsewhere {
				t.Fatalf("got %v, want reason %q, about something in front of the engine: %t", err, tt.want, tt.elsewhere)
			}
			if strings.Contains(err.Error(), "<") || tt.elsewhere && !strings.Contains(err.Error(), "not by a docker engine") {
				t.Errorf("got %v", err)
			}
		})
	}
}
