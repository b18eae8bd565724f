package metrics

import (
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"ecr-refreshd/internal/crowd"
)

// Handler returns the metrics, with those of the Go runtime and of the process, in
// Prometheus' text format, which every version of it takes.
func (m *Metrics) Handler() http.Handler { return &crowd.Text{Type: string(format), Make: m.write} }

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
