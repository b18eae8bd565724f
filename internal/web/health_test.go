package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

func asFault(err error) *fault.Error {
	var f *fault.Error
	errors.As(err, &f)
	return f
}

func get(h http.Handler) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if n, err := strconv.Atoi(w.Header().Get("Content-Length")); err != nil || n != w.Body.Len() {
		return 0, "a Content-Length of " + w.Header().Get("Content-Length")
	}
	return w.Code, w.Body.String()
}

func TestReadySaysWhatIsMissing(t *testing.T) {
	row := func(state status.State, targets ...status.Target) status.Registry {
		return status.Registry{Host: "h", State: state, Targets: targets}
	}
	ok := status.Target{Name: "engine", State: status.OK}
	denied := row(status.Expired, ok)
	denied.Error = &status.Problem{Message: "get token:\ndenied", Hint: "allow it"}
	tests := []struct {
		name string
		rows []status.Registry
		want string // "" for ready
	}{
		{"all well", []status.Registry{row(status.Fresh, ok), row(status.Failing, ok)}, ""},
		{"no token yet", []status.Registry{row(status.Fresh, ok), row(status.Pending)}, "h: token is pending\n"},
		{"expired", []status.Registry{denied}, "h: token is expired: get token: denied; allow it\n"},
		{"a target waits", []status.Registry{row(status.Fresh, ok, status.Target{Name: "file", State: status.Pending})}, "h: target \"file\" is pending\n"},
		{"a target fails", []status.Registry{row(status.Failing, status.Target{Name: "file", State: status.Failed, Error: &status.Problem{Message: "disk full"}})},
			"h: target \"file\" is failed: disk full\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, body := get(Ready(func() status.Report { return status.Report{Registries: tt.rows} }))
			if tt.want == "" && (code != 200 || body != "ok\n") || tt.want != "" && (code != 503 || body != tt.want) {
				t.Errorf("got %d %q", code, body)
			}
		})
	}
}

func TestALongAnswerIsCutShort(t *testing.T) {
	var all []string
	for i := range 2000 {
		all = append(all, fmt.Sprintf("loop %d", i))
	}
	code, body := get(Health(func() []string { return all }))
	if lines := strings.Split(strings.TrimSpace(body), "\n"); code != 503 || len(lines) != maxReasons+1 || lines[maxReasons] != "and 1980 more; see `ecr-refreshd status`" {
		t.Errorf("got %d %q", code, body)
	}
}
