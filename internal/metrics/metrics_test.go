package metrics

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/status"
)

// scrape returns the samples of our own metrics, each once, and fails where Prometheus could not read the text.
func scrape(t *testing.T, h http.Handler) []string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	text := w.Body.String()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	var ours []string
	for line := range strings.Lines(text) {
		series, _, _ := strings.Cut(line, "} ")
		if strings.HasPrefix(line, "#") || !strings.HasPrefix(line, prefix) {
			continue
		}
		if seen[series] {
			t.Errorf("twice: %s", line)
		}
		seen[series] = true
		ours = append(ours, strings.TrimSuffix(strings.TrimPrefix(line, prefix), "\n"))
	}
	return ours
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("there is no %s in\n%s", line, strings.Join(got, "\n"))
		}
	}
}

func TestEveryValueOfALabelIsThereFromTheStart(t *testing.T) {
	report := status.Report{Version: "1.2.3", Registries: []status.Registry{{Host: "h", Region: "eu-west-1", State: status.Pending,
		Targets: []status.Target{{Name: "engine", State: status.Pending}}}}}
	got := scrape(t, New(func() status.Report { return report }).Handler())
	var short []string
	for _, line := range got {
		if !strings.Contains(line, "_bucket") && !strings.HasPrefix(line, "build_info") {
			short = append(short, line)
		}
	}
	want := `token_expiry_timestamp_seconds{host="h"} 0
token_refreshed_timestamp_seconds{host="h"} 0
registry_state{host="h",state="pending"} 1
registry_state{host="h",state="fresh"} 0
registry_state{host="h",state="failing"} 0
registry_state{host="h",state="expired"} 0
target_hosts{target="engine",state="pending"} 1
target_hosts{target="engine",state="ok"} 0
target_hosts{target="engine",state="failed"} 0
client_disagreements{target="engine"} 0
target_last_success_timestamp_seconds{target="engine"} 0
config_last_reload_successful 1
clock_wrong 0
target_stores_total{target="engine",result="success"} 0
target_stores_total{target="engine",result="failure"} 0
refreshes_total{region="eu-west-1",result="success"} 0
refreshes_total{region="eu-west-1",result="failure"} 0
refresh_failures_total{region="eu-west-1",reason="network"} 0
refresh_failures_total{region="eu-west-1",reason="throttled"} 0
refresh_failures_total{region="eu-west-1",reason="denied"} 0
refresh_failures_total{region="eu-west-1",reason="credentials"} 0
refresh_failures_total{region="eu-west-1",reason="rejected"} 0
refresh_failures_total{region="eu-west-1",reason="engine"} 0
refresh_failures_total{region="eu-west-1",reason="local"} 0
refresh_failures_total{region="eu-west-1",reason="invalid"} 0
credential_requests_total{result="success"} 0
credential_requests_total{result="forbidden"} 0
credential_requests_total{result="unknown"} 0
credential_requests_total{result="unavailable"} 0
credential_requests_total{result="invalid"} 0
refresh_duration_seconds_sum 0
refresh_duration_seconds_count 0`
	if text := strings.Join(short, "\n"); text != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
}

func TestEventsAreCounted(t *testing.T) {
	report := fleet(1)
	m := New(func() status.Report { return report })
	grant := renew.Grant{Region: "us-east-1"}
	at := time.Unix(1_700_000_000, 500_000_000)
	for _, e := range []renew.Event{
		{Kind: renew.Renewed, Grant: grant, Took: 300 * time.Millisecond},
		{Kind: renew.Adopted, Grant: grant}, // no request
		{Kind: renew.RenewFailed, Grant: grant, Took: 2 * time.Second, Err: &fault.Error{Reason: fault.Throttled}},
		{Kind: renew.RenewFailed, Grant: grant, Err: errors.New("a stranger")},
		{Kind: renew.Stored, Grant: grant, Target: "engine", At: at},
		{Kind: renew.Stored, Grant: grant, Target: "docker-config", At: at, Partial: true},
		{Kind: renew.StoreFailed, Grant: grant, Target: "docker-config"},
		{Kind: renew.CheckFailed, Grant: grant, Target: "engine"}, // no store
	} {
		m.Observe(e)
	}
	for _, code := range []int{200, 200, 400, 403, 404, 503, 500} {
		m.Answered(code)
	}
	wantLines(t, scrape(t, m.Handler()),
		`refreshes_total{region="us-east-1",result="success"} 1`, `refreshes_total{region="us-east-1",result="failure"} 2`,
		`refresh_failures_total{region="us-east-1",reason="throttled"} 1`, `refresh_failures_total{region="us-east-1",reason="invalid"} 1`,
		`refresh_duration_seconds_bucket{le="0.5"} 2`, `refresh_duration_seconds_count 3`,
		`target_stores_total{target="engine",result="success"} 1`, `target_stores_total{target="engine",result="failure"} 0`,
		`target_stores_total{target="docker-config",result="success"} 0`, `target_stores_total{target="docker-config",result="failure"} 1`,
		`target_last_success_timestamp_seconds{target="engine"} 1.7000000005e+09`, `target_last_success_timestamp_seconds{target="docker-config"} 0`,
		`credential_requests_total{result="success"} 2`, `credential_requests_total{result="invalid"} 1`, `credential_requests_total{result="forbidden"} 1`,
		`credential_requests_total{result="unknown"} 1`, `credential_requests_total{result="unavailable"} 2`)
}

func TestTheStatusIsShown(t *testing.T) {
	report := fleet(3)
	report.Config.Error = new(status.Problem)
	report.Registries[0].State = status.Failing
	report.Registries[1].ClockWrong = true
	failed := &report.Registries[1].Targets[1]
	failed.State, failed.Error = status.Failed, &status.Problem{Overruled: true}
	broken := &report.Registries[2].Targets[1]
	broken.State, broken.Error = status.Failed, &status.Problem{}
	host := report.Registries[0].Host
	wantLines(t, scrape(t, New(func() status.Report { return report }).Handler()),
		`token_expiry_timestamp_seconds{host="`+host+`"} 1.8000432e+09`, `token_refreshed_timestamp_seconds{host="`+host+`"} 1.8e+09`,
		`registry_state{host="`+host+`",state="failing"} 1`, `registry_state{host="`+host+`",state="fresh"} 0`,
		`target_hosts{target="docker-config",state="ok"} 1`, `target_hosts{target="docker-config",state="failed"} 2`, `target_hosts{target="engine",state="ok"} 3`,
		`client_disagreements{target="docker-config"} 1`, `client_disagreements{target="engine"} 0`,
		`config_last_reload_successful 0`, `clock_wrong 1`)
}

func TestAReloadDropsWhatLeftAndKeepsTheCounts(t *testing.T) {
	report := fleet(2)
	m := New(func() status.Report { return report })
	left := report.Registries[1]
	for _, region := range []string{"us-east-1", left.Region} {
		m.Observe(renew.Event{Kind: renew.Renewed, Grant: renew.Grant{Region: region}})
	}
	report.Registries = report.Registries[:1]
	got := scrape(t, m.Handler())
	for _, line := range got {
		if strings.Contains(line, left.Host) || strings.Contains(line, left.Region) {
			t.Errorf("still there: %s", line)
		}
	}
	wantLines(t, got, `refreshes_total{region="us-east-1",result="success"} 1`)
}

// A host can be opened by several identities, and a name can need escaping.
func TestAHostIsShownOnceByTheTokenThatEndsFirst(t *testing.T) {
	report := fleet(1)
	first := report.Registries[0]
	second := first
	second.Identity, second.State, second.ExpiresAt = "other", status.Expired, first.RefreshedAt
	third := first
	third.Host = "quo\"ted\\host\n"
	for _, rows := range [][]status.Registry{{first, second, third}, {second, first, third}} {
		report.Registries = rows
		wantLines(t, scrape(t, New(func() status.Report { return report }).Handler()), `registry_state{host="`+first.Host+`",state="expired"} 1`,
			`token_expiry_timestamp_seconds{host="`+first.Host+`"} 1.8e+09`, `token_expiry_timestamp_seconds{host="quo\"ted\\host\n"} 1.8000432e+09`)
	}
}

func TestTheTextfileHasNoCounters(t *testing.T) {
	report := fleet(1)
	var b bytes.Buffer
	if err := New(func() status.Report { return report }).WriteGauges(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if !strings.Contains(text, prefix+"registry_state{") || strings.Contains(text, "counter") || strings.Contains(text, "histogram") || strings.Contains(text, "\ngo_") {
		t.Errorf("got:\n%s", text)
	}
}

func TestTheGuideListsTheMetrics(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `"+prefix+"([a-z_]+)` \\|").FindAllStringSubmatch(string(guide), -1) {
		listed[m[1]] = true
	}
	report := fleet(1)
	exported := make(map[string]bool)
	for _, line := range scrape(t, New(func() status.Report { return report }).Handler()) {
		name := regexp.MustCompile("^[a-z_]+").FindString(line)
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of the histogram
			name = strings.TrimSuffix(name, suffix)
		}
		exported[name] = true
	}
	if !maps.Equal(listed, exported) {
		t.Errorf("the guide has %v, exported are %v", slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(exported)))
	}
}
