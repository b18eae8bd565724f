// Package metrics tells Prometheus how the daemon stands. What can be read from the status
// comes from the status, at each scrape, so that the two never differ; what has to be counted
// is counted by an Observer. There is no global state. The names are a promise to users:
// docs/guides/monitoring.md lists them.
package metrics

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/status"
)

var _ renew.Observer = (*Metrics)(nil)

// The values of the label result. Of a request for a login: served, not allowed, a host
// that is not configured, no valid token, or no name of a host.
const (
	success, failure                           = "success", "failure"
	forbidden, unknown, unavailable, malformed = "forbidden", "unknown", "unavailable", "invalid"
)

// results are those of a request for a login.
var results = []string{success, forbidden, unknown, unavailable, malformed}

// answers are the results by the status of the answer.
var answers = map[int]string{200: success, 400: malformed, 403: forbidden, 404: unknown, 503: unavailable}

// durations are the bounds of refresh_duration_seconds: from a call within a region to the
// longest refresh.timeout that makes sense.
var durations = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Metrics is an Observer. Its counters last as long as it does, whatever a reload changes; shown
// are those of regions and targets that the present configuration has. Safe for concurrent use.
type Metrics struct {
	report   func() status.Report
	took     prometheus.Histogram
	registry *prometheus.Registry // of took, the Go runtime and the process

	mu       sync.Mutex
	regions  map[string]*refreshes
	targets  map[string]*stores
	requests map[string]float64
}

// refreshes are counts of a region's fetches.
type refreshes struct {
	succeeded, failed float64
	reasons           map[fault.Reason]float64
}

// stores are counts of what a target was asked to store.
type stores struct {
	succeeded, failed float64
	last              float64 // success, in Unix time; 0 for none
}

// New makes Metrics of what report returns. It is called for each scrape.
func New(report func() status.Report) *Metrics {
	m := &Metrics{report: report, registry: prometheus.NewRegistry(),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "refresh_duration_seconds", Buckets: durations,
			Help: "How long the requests for a token took, failed ones too."}),
		regions: make(map[string]*refreshes), targets: make(map[string]*stores), requests: make(map[string]float64)}
	m.registry.MustRegister(m.took, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe counts what has happened.
func (m *Metrics) Observe(e renew.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Kind {
	case renew.Renewed:
		m.region(e.Grant.Region).succeeded++
		m.took.Observe(e.Took.Seconds())
	case renew.RenewFailed:
		r := m.region(e.Grant.Region)
		r.failed++
		r.reasons[fault.All(e.Err)[0].Reason]++
		m.took.Observe(e.Took.Seconds())
	case renew.Stored:
		if !e.Partial { // else a StoreFailed follows
			t := m.target(e.Target)
			t.succeeded++
			t.last = unix(&e.At)
		}
	case renew.StoreFailed:
		m.target(e.Target).failed++
	}
}

// Answered counts the answer to a request for a login, by its HTTP status.
func (m *Metrics) Answered(code int) {
	result, known := answers[code]
	if !known {
		result = unavailable
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[result]++
}

func (m *Metrics) region(name string) *refreshes {
	r := m.regions[name]
	if r == nil {
		r = &refreshes{reasons: make(map[fault.Reason]float64)}
		m.regions[name] = r
	}
	return r
}

func (m *Metrics) target(name string) *stores {
	t := m.targets[name]
	if t == nil {
		t = new(stores)
		m.targets[name] = t
	}
	return t
}

// refreshesOf returns a copy of a region's counts.
func (m *Metrics) refreshesOf(region string) refreshes {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := *m.region(region)
	r.reasons = maps.Clone(r.reasons)
	return r
}

func (m *Metrics) storesOf(target string) stores {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.target(target)
}

func (m *Metrics) requestsOf(result string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.requests[result]
}
