// Package page is the status page for browsers: one self-contained HTML document that shows
// the report of the status and nothing else. It works without JavaScript; with it, it brings
// itself up to date in place. Who may connect, which Host headers and methods are taken,
// lives with the server that mounts it.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
	"time"

	"ecr-refreshd/internal/crowd"
	"ecr-refreshd/internal/status"
)

var (
	//go:embed page.html
	document string
	//go:embed page.css
	style string
	//go:embed page.js
	script string

	// Parsed once: it is the same for every request.
	parsed = template.Must(template.New("page").Funcs(template.FuncMap{
		"number": status.Number,
		"style":  func() template.CSS { return template.CSS(style) },
		"script": func() template.JS { return template.JS(script) },
	}).Parse(document))
)

// policy allows this document's own style and script, its own icon, and to fetch itself
// again. An injected element of any kind is dead.
var policy = "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
	"; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// New serves the page at / with what report returns at each request; of very many hosts,
// it shows all at /?all.
func New(report func() status.Report) http.Handler {
	text := func(all bool) http.Handler {
		return &crowd.Text{Type: "text/html; charset=utf-8", Make: func(w io.Writer) error { return render(w, report(), time.Now(), all) }}
	}
	some, all := text(false), text(true)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.URL.RawQuery == "all" {
			all.ServeHTTP(w, r)
		} else {
			some.ServeHTTP(w, r)
		}
	})
}

// render writes the page as it is at now.
func render(w io.Writer, r status.Report, now time.Time, all bool) error {
	return parsed.Execute(w, look(r, now, all))
}
