// Package monitoring holds the alert rules and the dashboard, and the tests that run them on
// what a daemon really exports, in a real Prometheus.
package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/targets"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// program finds a program of Prometheus, or skips the test; where nothing may be skipped, it fails.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch why := name + " is not there: `make prometheus` puts it into bin/clients, which belongs in $PATH"; {
	case err == nil:
	case os.Getenv("ECR_REFRESHD_NO_SKIP") != "":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
	return path
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is still not: %s", what)
		}
	}
}

// scene is a daemon with an emulated AWS.
type scene struct {
	*daemon.Daemon
	t       *testing.T
	aws     *emulator.Server
	address string // of http.listen
}

const host = "111122223333.dkr.ecr.us-east-1.amazonaws.com"

// newScene starts a daemon with a registry and these targets, in which DIR stands for a
// directory of its own.
func newScene(t *testing.T, targetLines string, o emulator.Options, faults ...emulator.Fault) *scene {
	t.Helper()
	aws, err := emulator.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aws.Close)
	for _, f := range faults {
		aws.Inject(f)
	}
	p := emulator.DefaultPrincipal()
	t.Setenv("AWS_ENDPOINT_URL", aws.Endpoint())
	t.Setenv("AWS_ACCESS_KEY_ID", p.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", p.SecretAccessKey)
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	s := &scene{t: t, aws: aws, address: freePort(t)}
	text := fmt.Sprintf("registries:\n  - {region: us-east-1, account: \"111122223333\"}\nrefresh: {backoff: {initial: 100ms, max: 1s}}\nhttp: {listen: %q}\ntargets:\n%s",
		s.address, strings.ReplaceAll(targetLines, "DIR", t.TempDir()))
	c, err := config.Parse("test.yaml", []byte(text), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	if s.Daemon, err = daemon.New(c, daemon.Options{Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// metrics scrapes the daemon; empty as long as it does not listen.
func (s *scene) metrics() string {
	s.t.Helper()
	r, err := http.Get("http://" + s.address + "/metrics")
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		s.t.Fatalf("%d %s, %v", r.StatusCode, body, err)
	}
	return string(body)
}

// until scrapes until the metrics have a line that matches.
func (s *scene) until(line string) string {
	s.t.Helper()
	re := regexp.MustCompile("(?m)^" + line + "$")
	var text string
	await(s.t, line, func() bool {
		text = s.metrics()
		return re.MatchString(text)
	})
	return text
}

// prometheus is one that scrapes a daemon every second and knows the alert rules.
type prometheus struct {
	t   *testing.T
	api string
}

func startPrometheus(t *testing.T, scrape string) prometheus {
	t.Helper()
	binary := program(t, "prometheus")
	rules, err := filepath.Abs("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), freePort(t)
	file := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: ecr-refreshd
    static_configs: [{targets: [%q]}]
`, rules, scrape)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of prometheus:\n%s", log.String())
		}
	})
	p := prometheus{t, "http://" + address + "/api/v1/"}
	await(t, "prometheus", func() bool {
		r, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	})
	return p
}

// sample is what a query returns for one series.
type sample struct {
	Metric map[string]string
	Value  [2]any // time, and the value as text
}

func (s sample) number() string { return fmt.Sprint(s.Value[1]) }

func (p prometheus) query(expr string) []sample {
	p.t.Helper()
	var result struct{ Result []sample }
	p.get("query?query="+url.QueryEscape(expr), &result)
	return result.Result
}

// get reads the data of an answer of the API.
func (p prometheus) get(path string, data any) {
	p.t.Helper()
	r, err := http.Get(p.api + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("%s: %q %s, %v", path, answer.Status, answer.Error, err)
	}
}
