package metrics

import (
	"runtime"
	"time"

	dto "github.com/prometheus/client_model/go"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

const prefix = "ecr_refreshd_"

// metric is one name. Its samples are made without a prometheus.Registry, which takes three times
// the memory to check what the tests check once.
type metric struct {
	name, help string
	kind       dto.MetricType
	labels     []string
}

func gauge(name, help string, labels ...string) metric {
	return metric{prefix + name, help, dto.MetricType_GAUGE, labels}
}

func counter(name, help string, labels ...string) metric {
	return metric{prefix + name, help, dto.MetricType_COUNTER, labels}
}

var (
	expiry     = gauge("token_expiry_timestamp_seconds", "When the token of the host expires, in Unix time; 0 while there was none yet.", "host")
	refreshed  = gauge("token_refreshed_timestamp_seconds", "When the token of the host was obtained, in Unix time; 0 while there was none yet.", "host")
	state      = gauge("registry_state", "1 for the state of the host: pending (no token yet), fresh, failing (renewal fails, the token is still valid) or expired; 0 for the others.", "host", "state")
	hosts      = gauge("target_hosts", "Hosts whose login the target holds (ok), does not hold (pending), or has failed to store, check or remove (failed).", "target", "state")
	disagree   = gauge("client_disagreements", "Hosts for which the client would not use the login that the target has stored, because of something else in its files.", "target")
	lastStored = gauge("target_last_success_timestamp_seconds", "When the target last stored all logins that it was asked to, in Unix time; 0 for never since the start.", "target")
	reloaded   = gauge("config_last_reload_successful", "1 when the configuration in force is the newest one, 0 when a newer one was refused.")
	clock      = gauge("clock_wrong", "1 while a registry has a token whose expiry, as reported, cannot be true on this host's clock.")
	build      = gauge("build_info", "1; the labels say what runs.", "version", "goversion")
	stored     = counter("target_stores_total", "Attempts of the target to store logins.", "target", "result")
	renewals   = counter("refreshes_total", "Requests for a token.", "region", "result")
	failures   = counter("refresh_failures_total", "Requests for a token that failed, by cause.", "region", "reason")
	requests   = counter("credential_requests_total", "Requests for a login on the socket: answered with it (success), not allowed (forbidden), for a host that is not configured (unknown), without a valid token (unavailable), or malformed (invalid).", "result")
)

var (
	registryStates = []status.State{status.Pending, status.Fresh, status.Failing, status.Expired}
	targetStates   = []status.State{status.Pending, status.OK, status.Failed}
)

// family is the samples of one metric.
type family struct {
	metric
	samples []*dto.Metric
}

// sample is all that a dto.Metric points to, in one piece of memory.
type sample struct {
	metric  dto.Metric
	gauge   dto.Gauge
	counter dto.Counter
	value   float64
	pairs   [2]dto.LabelPair
	labels  [2]*dto.LabelPair
}

// add makes a sample; values are those of the labels.
func (f *family) add(v float64, values ...string) {
	s := &sample{value: v}
	for i := range values {
		s.pairs[i].Name, s.pairs[i].Value, s.labels[i] = &f.metric.labels[i], &values[i], &s.pairs[i]
	}
	s.metric.Label = s.labels[:len(values)]
	if f.kind == dto.MetricType_COUNTER {
		s.counter.Value, s.metric.Counter = &s.value, &s.counter
	} else {
		s.gauge.Value, s.metric.Gauge = &s.value, &s.gauge
	}
	f.samples = append(f.samples, &s.metric)
}

// gauges sends what a program that runs now and then can say, too, whose counters would begin
// from zero in each run. One family is made after the other, for the sake of memory.
func (m *Metrics) gauges(s summary, send func(metric, func(*family))) {
	send(expiry, func(f *family) {
		for _, h := range s.hosts {
			f.add(unix(h.ExpiresAt), h.Host)
		}
	})
	send(refreshed, func(f *family) {
		for _, h := range s.hosts {
			f.add(unix(h.RefreshedAt), h.Host)
		}
	})
	send(state, func(f *family) {
		for _, h := range s.hosts {
			for _, st := range registryStates {
				f.add(truth(h.State == st), h.Host, string(st))
			}
		}
	})
	send(hosts, func(f *family) {
		for _, t := range s.targets {
			for _, st := range targetStates {
				f.add(float64(t.hosts[st]), t.name, string(st))
			}
		}
	})
	send(disagree, func(f *family) {
		for _, t := range s.targets {
			f.add(float64(t.disagreements), t.name)
		}
	})
	send(lastStored, func(f *family) {
		for _, t := range s.targets {
			f.add(m.storesOf(t.name).last, t.name)
		}
	})
	send(reloaded, func(f *family) { f.add(truth(s.report.Config.Error == nil)) })
	send(clock, func(f *family) { f.add(truth(s.clockWrong)) })
	send(build, func(f *family) { f.add(1, s.report.Version, runtime.Version()) })
}

// counters sends the counts of what s has. Each value of a label is there from the start.
func (m *Metrics) counters(s summary, send func(metric, func(*family))) {
	send(stored, func(f *family) {
		for _, t := range s.targets {
			counts := m.storesOf(t.name)
			f.add(counts.succeeded, t.name, success)
			f.add(counts.failed, t.name, failure)
		}
	})
	send(renewals, func(f *family) {
		for _, region := range s.regions {
			counts := m.refreshesOf(region)
			f.add(counts.succeeded, region, success)
			f.add(counts.failed, region, failure)
		}
	})
	send(failures, func(f *family) {
		for _, region := range s.regions {
			counts := m.refreshesOf(region)
			for _, reason := range fault.Reasons() {
				f.add(counts.reasons[reason], region, string(reason))
			}
		}
	})
	send(requests, func(f *family) {
		for _, result := range results {
			f.add(m.requestsOf(result), result)
		}
	})
}

// summary is the status, counted.
type summary struct {
	report     status.Report
	hosts      []status.Registry // one for each host
	targets    []target          // in the order in which the rows name them
	regions    []string
	clockWrong bool
}

type target struct {
	name          string
	hosts         map[status.State]int
	disagreements int
}

func survey(report status.Report) summary {
	s := summary{report: report, hosts: make([]status.Registry, 0, len(report.Registries))}
	host, tgt, region := make(map[string]int), make(map[string]int), make(map[string]bool)
	for _, r := range report.Registries {
		s.clockWrong = s.clockWrong || r.ClockWrong
		if i, twice := host[r.Host]; twice { // opened by several identities
			s.hosts[i] = endsFirst(s.hosts[i], r)
		} else {
			host[r.Host], s.hosts = len(s.hosts), append(s.hosts, r)
		}
		if !region[r.Region] {
			region[r.Region], s.regions = true, append(s.regions, r.Region)
		}
		for _, t := range r.Targets {
			i, known := tgt[t.Name]
			if !known {
				i = len(s.targets)
				tgt[t.Name], s.targets = i, append(s.targets, target{name: t.Name, hosts: make(map[status.State]int, len(targetStates))})
			}
			s.targets[i].hosts[t.State]++
			if t.Error != nil && t.Error.Overruled {
				s.targets[i].disagreements++
			}
		}
	}
	return s
}

// endsFirst returns that of two rows of one host whose token ends first.
func endsFirst(a, b status.Registry) status.Registry {
	if a.ExpiresAt != nil && (b.ExpiresAt == nil || b.ExpiresAt.Before(*a.ExpiresAt)) {
		return b
	}
	return a
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is a time as Prometheus has it: seconds, with fractions.
func unix(t *time.Time) float64 {
	if t == nil {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
