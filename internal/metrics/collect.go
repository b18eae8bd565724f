package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

const prefix = "ecr_refreshd_"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

var (
	expiry     = desc("token_expiry_timestamp_seconds", "When the token of the host expires, in Unix time; 0 while there was none yet.", "host")
	refreshed  = desc("token_refreshed_timestamp_seconds", "When the token of the host was obtained, in Unix time; 0 while there was none yet.", "host")
	state      = desc("registry_state", "1 for the state of the host: pending (no token yet), fresh, failing (renewal fails, the token is still valid) or expired; 0 for the others.", "host", "state")
	hosts      = desc("target_hosts", "Hosts whose login the target holds (ok), does not hold yet (pending), or failed to store, check or remove (failed).", "target", "state")
	disagree   = desc("client_disagreements", "Hosts for which the client would not use the login that the target has stored, because of something else in its files.", "target")
	lastStored = desc("target_last_success_timestamp_seconds", "When the target last stored all logins that it was asked to, in Unix time; 0 for never since the start.", "target")
	stored     = desc("target_stores_total", "Attempts of the target to store logins.", "target", "result")
	renewals   = desc("refreshes_total", "Requests for a token.", "region", "result")
	failures   = desc("refresh_failures_total", "Requests for a token that failed, by cause.", "region", "reason")
	requests   = desc("credential_requests_total", "Requests for a login on the socket: answered with it (success), not allowed (forbidden), for a host that is not configured (unknown), without a valid token (unavailable), or not for a host (invalid).", "result")
	reloaded   = desc("config_last_reload_successful", "1 when the configuration in force is the newest one, 0 when a newer one was refused.")
	clock      = desc("clock_wrong", "1 while the last token of a registry had an expiry that cannot be true on this host's clock.")
	build      = desc("build_info", "1; the labels say what runs.", "version", "goversion")
)

var (
	registryStates = []status.State{status.Pending, status.Fresh, status.Failing, status.Expired}
	targetStates   = []status.State{status.Pending, status.OK, status.Failed}
)

// Describe sends what Collect may send.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	gauges{m}.Describe(ch)
	for _, d := range []*prometheus.Desc{stored, renewals, failures, requests} {
		ch <- d
	}
	m.took.Describe(ch)
}

// Collect sends all metrics as they are now.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	s := survey(m.report())
	m.gauges(ch, s)
	m.counters(ch, s)
}

// gauges collects what a program that runs now and then can say. Its counters would start
// from zero in each run.
type gauges struct{ *Metrics }

func (gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{expiry, refreshed, state, hosts, disagree, lastStored, reloaded, clock, build} {
		ch <- d
	}
}

func (g gauges) Collect(ch chan<- prometheus.Metric) { g.gauges(ch, survey(g.report())) }

func (m *Metrics) gauges(ch chan<- prometheus.Metric, s summary) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, h := range s.hosts {
		send(expiry, unix(h.ExpiresAt), h.Host)
		send(refreshed, unix(h.RefreshedAt), h.Host)
		for _, st := range registryStates {
			send(state, truth(h.State == st), h.Host, string(st))
		}
	}
	for _, t := range s.targets {
		for _, st := range targetStates {
			send(hosts, float64(t.hosts[st]), t.name, string(st))
		}
		send(disagree, float64(t.disagreements), t.name)
		send(lastStored, m.storesOf(t.name).last, t.name)
	}
	send(reloaded, truth(s.report.Config.Error == nil))
	send(clock, truth(s.clockWrong))
	send(build, 1, s.report.Version, goVersion)
}

// counters sends the counts of what s has. Each value of a label is there from the start.
func (m *Metrics) counters(ch chan<- prometheus.Metric, s summary) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for _, t := range s.targets {
		counts := m.storesOf(t.name)
		send(stored, counts.succeeded, t.name, success)
		send(stored, counts.failed, t.name, failure)
	}
	for _, region := range s.regions {
		counts := m.refreshesOf(region)
		send(renewals, counts.succeeded, region, success)
		send(renewals, counts.failed, region, failure)
		for _, reason := range fault.Reasons() {
			send(failures, counts.reasons[reason], region, string(reason))
		}
	}
	for _, result := range answers {
		send(requests, m.requestsOf(result), result)
	}
	ch <- m.took
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
			s.hosts[i] = worse(s.hosts[i], r)
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
			if t.Error != nil && t.Error.Unread {
				s.targets[i].disagreements++
			}
		}
	}
	return s
}

// worse returns that of two rows of one host whose token ends first.
func worse(a, b status.Registry) status.Registry {
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
