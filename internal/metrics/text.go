package metrics

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Handler returns the metrics, with those of the Go runtime and of the process, in
// Prometheus' text format, which every version of it takes.
func (m *Metrics) Handler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &handler{gatherer: r}
}

// WriteGauges writes the metrics that are no counters, for node_exporter's textfile collector.
func (m *Metrics) WriteGauges(w io.Writer) error {
	r := prometheus.NewRegistry()
	r.MustRegister(gauges{m})
	return write(w, r)
}

func write(w io.Writer, g prometheus.Gatherer) error {
	families, err := g.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	e := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

var format = expfmt.NewFormat(expfmt.TypeTextPlain)

// A text is shared by scrapes that come within shared of each other when there are more than
// crowd of them at once: with thousands of hosts it has megabytes, and a crowd of slow readers
// must not hold one each.
const (
	crowd  = 4
	shared = time.Second
)

// handler answers a scrape. Safe for concurrent use.
type handler struct {
	gatherer prometheus.Gatherer

	mu    sync.Mutex
	users int // answers under way
	at    time.Time
	text  []byte // never changed
}

func (h *handler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	text, err := h.get()
	defer h.release()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(format))
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client may have gone
}

// get returns the metrics; release is to be called when the answer is out.
func (h *handler) get() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users++
	if h.users > crowd && time.Since(h.at) < shared {
		return h.text, nil
	}
	var b bytes.Buffer
	if err := write(&b, h.gatherer); err != nil {
		return nil, err
	}
	h.text, h.at = b.Bytes(), time.Now()
	return h.text, nil
}

func (h *handler) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users == 0 {
		h.text, h.at = nil, time.Time{} // nobody needs the memory
	}
}
