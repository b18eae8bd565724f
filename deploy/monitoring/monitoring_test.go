package monitoring

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/status"
)

const twoTargets = `  - {type: docker-config, path: "DIR/config.json"}
  - {type: password-file, path: "DIR/password"}
`

// in is the line of the metrics that says in which state the registry is.
func in(state status.State) string {
	return fmt.Sprintf(`ecr_refreshd_registry_state{host="%s",state="%s"} 1`, regexp.QuoteMeta(host), state)
}

func TestPrometheusReadsTheDaemonAndTheDashboardShowsData(t *testing.T) {
	program(t, "prometheus")
	s := newScene(t, twoTargets, emulator.Options{})
	s.until(in(status.Fresh))
	p := startPrometheus(t, s.address)
	renewed := func() bool {
		got := p.query("increase(ecr_refreshd_refreshes_total{result=\"success\"}[1m])")
		return len(got) == 1 && got[0].number() != "0"
	}
	await(t, "a scrape", func() bool { return len(p.query(`up{job="ecr-refreshd"} == 1`)) == 1 })
	s.Wake()
	await(t, "a renewal in Prometheus", renewed)

	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	await(t, "every rule evaluated", func() bool {
		p.get("rules", &rules)
		return len(rules.Groups) == 1 && len(rules.Groups[0].Rules) == len(alerts) &&
			rules.Groups[0].Rules[len(alerts)-1].Health != "unknown"
	})
	for _, r := range rules.Groups[0].Rules {
		if r.Health != "ok" || !slices.Contains(alerts, r.Name) {
			t.Errorf("rule %s: %s %s", r.Name, r.Health, r.LastError)
		}
	}
	for _, expr := range dashboard(t) {
		got := p.query(expr)
		if len(got) == 0 {
			t.Errorf("no data: %s", expr)
		}
		if !slices.ContainsFunc(got, func(s sample) bool { return s.number() != "NaN" }) {
			t.Errorf("no number: %s", expr)
		}
	}
}

// dashboard returns the queries of the panels, with Grafana's variables filled in.
func dashboard(t *testing.T) (exprs []string) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	type source struct{ Type, UID string }
	var d struct {
		UID    string
		Panels []struct {
			Title, Description string
			Datasource         source
			Targets            []struct {
				Expr       string
				Datasource source
			}
		}
		Templating struct{ List []struct{ Name, Type string } }
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if vars := d.Templating.List; len(vars) != 2 || vars[0].Name != "datasource" || vars[1].Name != "instance" {
		t.Errorf("got the variables %v", vars)
	}
	fill := strings.NewReplacer("$instance", ".+", "$__rate_interval", "1m")
	for _, p := range d.Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %+v lacks something", p)
		}
		for _, target := range p.Targets {
			expr := fill.Replace(target.Expr)
			if strings.Contains(expr, "$") || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %+v", p.Title, target)
			}
			exprs = append(exprs, expr)
		}
	}
	return exprs
}

func TestPromtoolAcceptsMetricsAndRules(t *testing.T) {
	promtool := program(t, "promtool")
	s := newScene(t, twoTargets, emulator.Options{})
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(s.until(in(status.Fresh)))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("check metrics: %v\n%s", err, out)
	}
	if out, err := exec.Command(promtool, "check", "rules", "alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("check rules: %v\n%s", err, out)
	}
}

// alerts are all there are.
var alerts = []string{"EcrTokenExpiresSoon", "EcrTokenExpired", "EcrNoToken", "EcrTargetFailing", "EcrClientDisagrees", "EcrReloadFailed", "EcrDaemonGone", "EcrClockWrong"}

// Each state is brought about in a real daemon, and what that exports is what the rules see for
// half an hour.
func TestEachAlertFiresInItsStateAndInNoOther(t *testing.T) {
	promtool := program(t, "promtool")
	denied := emulator.Fault{Operation: "GetAuthorizationToken", Status: 400, Code: "AccessDeniedException"}
	unbelievable := -time.Hour
	states := []struct {
		name   string
		scrape func(t *testing.T) string
		down   bool
		want   string // the alert; empty for none
	}{
		{"well", func(t *testing.T) string {
			return newScene(t, twoTargets, emulator.Options{}).until(in(status.Fresh))
		}, false, ""},
		{"not renewed, and soon to expire", func(t *testing.T) string {
			s := newScene(t, twoTargets, emulator.Options{TokenLife: 50 * time.Minute})
			s.until(in(status.Fresh))
			s.aws.Inject(denied)
			s.Wake()
			return s.until(in(status.Failing))
		}, false, "EcrTokenExpiresSoon"},
		{"expired", func(t *testing.T) string {
			s := newScene(t, twoTargets, emulator.Options{TokenLife: 3 * time.Second})
			s.until(in(status.Fresh))
			s.aws.Inject(denied)
			return s.until(in(status.Expired))
		}, false, "EcrTokenExpired"},
		{"never had a token", func(t *testing.T) string {
			return newScene(t, twoTargets, emulator.Options{}, denied).until(`ecr_refreshd_refresh_failures_total{region="us-east-1",reason="denied"} [1-9].*`)
		}, false, "EcrNoToken"},
		{"target that cannot be written", func(t *testing.T) string {
			return newScene(t, "  - {type: password-file, path: /dev/null/password}\n", emulator.Options{}).until(`ecr_refreshd_target_hosts{target="password-file",state="failed"} 1`)
		}, false, "EcrTargetFailing"},
		{"another helper in docker's file", func(t *testing.T) string {
			dir := t.TempDir()
			other := fmt.Sprintf(`{"credHelpers": {%q: "other"}}`, host)
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(other), 0o600); err != nil {
				t.Fatal(err)
			}
			return newScene(t, fmt.Sprintf("  - {type: docker-config, path: %q}\n", filepath.Join(dir, "config.json")), emulator.Options{}).until(`ecr_refreshd_client_disagreements{target="docker-config"} 1`)
		}, false, "EcrClientDisagrees"},
		{"refused reload", func(t *testing.T) string {
			s := newScene(t, twoTargets, emulator.Options{})
			s.until(in(status.Fresh))
			s.Refuse(errors.New("c.yaml:1:1: wrong"), "fix it")
			return s.until("ecr_refreshd_config_last_reload_successful 0")
		}, false, "EcrReloadFailed"},
		{"wrong clock", func(t *testing.T) string {
			return newScene(t, twoTargets, emulator.Options{}, emulator.Fault{Operation: "GetAuthorizationToken", ExpiresIn: &unbelievable}).until("ecr_refreshd_clock_wrong 1")
		}, false, "EcrClockWrong"},
		{"down", func(*testing.T) string { return "" }, true, "EcrDaemonGone"},
	}
	file := struct {
		RuleFiles []string `json:"rule_files"`
		Tests     []any    `json:"tests"`
	}{RuleFiles: []string{"alerts.yml"}}
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			series := append(seriesOf(t, state.scrape(t), time.Now()), constant(`up{job="ecr-refreshd",instance="web1:9462"}`, 1))
			if state.down {
				series = []any{constant(`up{job="ecr-refreshd",instance="web1:9462"}`, 0)}
			}
			// A target that the client overrules has failed, too.
			want := []any{}
			for _, name := range alerts {
				if name == state.want || name == "EcrTargetFailing" && state.want == "EcrClientDisagrees" {
					want = append(want, map[string]any{"labels": fmt.Sprintf("{alertname=%q}", name), "value": 1})
				}
			}
			file.Tests = append(file.Tests, map[string]any{"interval": "1m", "input_series": series, "promql_expr_test": []any{map[string]any{
				"expr": `count by (alertname) (ALERTS{alertstate="firing"})`, "eval_time": "20m", "exp_samples": want}}})
		})
	}
	if t.Failed() {
		return
	}
	dir := t.TempDir()
	text, err := json.Marshal(file) // YAML too
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"alerts.yml": rules, "test.yml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(promtool, "test", "rules", filepath.Join(dir, "test.yml")).CombinedOutput(); err != nil {
		t.Errorf("test rules: %v\n%s", err, out)
	}
}

// scraped is when a scrape was made, in the Unix time of the rule test: 5 minutes before the
// rules are looked at, and far enough from 0, which is for times that are not known.
const scraped = 15 * time.Minute

// seriesOf makes of a scrape the input of a rule test.
func seriesOf(t *testing.T, text string, at time.Time) (all []any) {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		if !strings.HasPrefix(name, "ecr_refreshd_") || f.GetType() == dto.MetricType_HISTOGRAM {
			continue
		}
		for _, m := range f.Metric {
			labels := `job="ecr-refreshd",instance="web1:9462"`
			for _, l := range m.Label {
				labels += fmt.Sprintf(",%s=%q", l.GetName(), l.GetValue())
			}
			v := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			if strings.HasSuffix(name, "_timestamp_seconds") && v > 0 {
				v -= float64(at.Add(-scraped).Unix())
			}
			all = append(all, constant(name+"{"+labels+"}", v))
		}
	}
	return all
}

func constant(series string, v float64) any {
	return map[string]string{"series": series, "values": fmt.Sprintf("%v+0x30", math.Round(v))}
}
