package web

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/status"
)

// maxReasons bounds the lines of an answer.
const maxReasons = 20

// Health answers /healthz: "ok", or with status 503 why it is not, a line each. stuck lists the
// loops that do not turn.
func Health(stuck func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, stuck()) })
}

// Ready answers /readyz as Health does: whether every registry has a valid token in every
// target.
func Ready(report func() status.Report) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var reasons []string
		for _, r := range report().Registries {
			reasons = append(reasons, unready(r)...)
		}
		answer(w, reasons)
	})
}

// unready says what is missing for one host.
func unready(r status.Registry) (reasons []string) {
	if r.State == status.Pending || r.State == status.Expired {
		return []string{describe(r.Host+": token is "+string(r.State), r.Error)}
	}
	for _, t := range r.Targets {
		if t.State != status.OK {
			reasons = append(reasons, describe(fmt.Sprintf("%s: target %q is %s", r.Host, t.Name, t.State), t.Error))
		}
	}
	return reasons
}

func describe(what string, p *status.Problem) string {
	if p == nil {
		return what
	}
	what += ": " + p.Message
	if p.Hint != "" {
		what += "; " + p.Hint
	}
	return what
}

func answer(w http.ResponseWriter, reasons []string) {
	h := w.Header()
	h.Set("Content-Type", plain)
	h.Set("Cache-Control", "no-store")
	code, text := http.StatusOK, "ok\n"
	if len(reasons) > 0 {
		code, text = http.StatusServiceUnavailable, listed(reasons)
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // the client may have gone
}

// listed is a line for each reason, as far as there is room.
func listed(reasons []string) string {
	var b strings.Builder
	for _, line := range reasons[:min(len(reasons), maxReasons)] {
		fmt.Fprintln(&b, login.Redactor{}.Clean(line))
	}
	if more := len(reasons) - maxReasons; more > 0 {
		fmt.Fprintf(&b, "and %d more; see `ecr-refreshd status`\n", more)
	}
	return b.String()
}
