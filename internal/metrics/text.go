package metrics

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Handler returns the metrics, with those of the Go runtime and of the process, in
// Prometheus' text format, which every version of it takes.
func (m *Metrics) Handler() http.Handler { return &handler{write: m.write} }

// WriteGauges writes the metrics that are no counters, for node_exporter's textfile collector.
func (m *Metrics) WriteGauges(w io.Writer) error {
	t := text{w: w}
	m.gauges(survey(m.report()), t.send)
	return t.err
}

// write writes all there is to scrape.
func (m *Metrics) write(w io.Writer) error {
	t, s := text{w: w}, survey(m.report())
	m.gauges(s, t.send)
	m.counters(s, t.send)
	others, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	for _, f := range others {
		t.encode(f)
	}
	return t.err
}

// text writes families until there is an error.
type text struct {
	w   io.Writer
	err error
}

// send writes the samples that fill makes.
func (t *text) send(m metric, fill func(*family)) {
	f := family{metric: m}
	fill(&f)
	t.encode(&dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &m.kind, Metric: f.samples})
}

func (t *text) encode(f *dto.MetricFamily) {
	if t.err == nil {
		_, t.err = expfmt.MetricFamilyToText(t.w, f)
	}
}

var format = expfmt.NewFormat(expfmt.TypeTextPlain)

// A text is shared by scrapes that come within shareTime of each other when there are more than
// crowd of them at once: with thousands of hosts it has megabytes, and a crowd of slow readers
// must not hold one each.
const (
	crowd     = 4
	shareTime = time.Second
)

// handler answers a scrape. Safe for concurrent use.
type handler struct {
	write func(io.Writer) error

	mu    sync.Mutex
	users int // answers under way
	at    time.Time
	text  []byte // never changed
	size  int    // of the last one, in bytes
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
	if h.users > crowd && time.Since(h.at) < shareTime {
		return h.text, nil
	}
	b := bytes.NewBuffer(make([]byte, 0, h.size+h.size/8))
	if err := h.write(b); err != nil {
		return nil, err
	}
	h.text, h.at, h.size = b.Bytes(), time.Now(), b.Len()
	return h.text, nil
}

func (h *handler) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users == 0 {
		h.text, h.at = nil, time.Time{} // nobody needs the memory
	}
}
