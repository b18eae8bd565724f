package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExitCodesAndLines runs each command once well and once badly.
func TestExitCodesAndLines(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudExitCodes, time.Hour)
	host := s.cloud.hosts()[0]
	root := s.home()
	const files = "targets: [{type: docker-config}]\n"
	entry := "registries: [{host: " + host + "}]\n"
	good := s.write(entry + files + s.settings(s.aws.Endpoint()))
	denied := s.write(entry + files + strings.Replace(s.settings(s.aws.Endpoint()), s.cloud.profile(), s.cloud.deniedProfile(), 1))
	noRole := s.write(entry + files + strings.Replace(s.settings(s.aws.Endpoint()), "{profile", "{role_arn: 'arn:aws:iam::111122223333:role/none', profile", 1))
	nobody := s.write(entry + files + strings.Replace(s.settings(s.aws.Endpoint()), s.cloud.profile(), "nobody", 1))
	noAWS := s.write(entry + files + s.settings("http://127.0.0.1:9"))
	broken := s.write("registries:\n  - region: us-east-1\n    acount: 1\n  - hosts: x\nrefresh: {at: 5%}\n")
	noYAML := s.write("registries: [\n")
	tests := []struct {
		name    string
		command []string
		want    int
		lines   []string // parts of what is said, all of them; an error is one line each
	}{
		{"once", []string{"once", "--config", good}, 0, []string{host}},
		{"once, denied", []string{"once", "--config", denied, "--output", "json"}, 1, []string{"ecr:GetAuthorizationToken", "denied"}},
		{"once, no such role", []string{"once", "--config", noRole, "--output", "json"}, 1, []string{"sts:AssumeRole", "role/none"}},
		{"once, no such profile", []string{"once", "--config", nobody, "--output", "json"}, 1, []string{"nobody"}},
		{"once, no AWS", []string{"once", "--config", noAWS, "--output", "json"}, 1, []string{"127.0.0.1:9", "aws.endpoint_url"}},
		{"once, broken YAML", []string{"once", "--config", noYAML}, 2, []string{noYAML + ":"}},
		{"run, broken YAML", []string{"run", "--config", noYAML}, 2, []string{noYAML + ":"}},
		{"run, all problems at once", []string{"run", "--config", broken}, 2, []string{broken + ":3:", "account", broken + ":4:", broken + ":5:", "10%"}},
		{"run, no file", []string{"run", "--config", "/nowhere.yaml"}, 2, []string{"/nowhere.yaml"}},
		{"check", []string{"check", "--config", good}, 0, []string{host}},
		{"check, broken", []string{"check", "--config", broken}, 2, []string{broken + ":3:"}},
		{"token, not ours", []string{"token", "--config", good, "public.ecr.aws"}, 2, []string{"public.ecr.aws"}},
		{"token, denied", []string{"token", "--config", denied, host}, 1, []string{"ecr:GetAuthorizationToken"}},
		{"version", []string{"version"}, 0, nil},
		{"completion", []string{"completion", "bash"}, 0, []string{"ecr-refreshd"}},
		{"help", []string{"--help"}, 0, []string{"once"}},
		{"unknown command", []string{"refetch"}, 2, []string{"refetch"}},
		{"unknown flag", []string{"run", "--verbose"}, 2, []string{"--verbose"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, code := s.in(t).run(root, s.engineEnv(s.engine), "", s.binary, tt.command...)
			if code != tt.want {
				t.Errorf("exit code %d, want %d", code, tt.want)
			}
			for _, part := range tt.lines {
				if !strings.Contains(out, part) {
					t.Errorf("does not say %q", part)
				}
			}
			said := 0
			for l := range strings.Lines(out) {
				if strings.HasPrefix(l, "ecr-refreshd: ") {
					said++
				}
			}
			if tt.want == 1 && said != 1 {
				t.Errorf("%d lines, want one", said)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
	t.Run("once with json", func(t *testing.T) {
		s := s.in(t)
		out, err := s.bed.Command(t.Context(), root, nil, s.binary, "once", "--config", good, "--output", "json", "--log-level", "debug").Output()
		var result struct {
			Registries []struct{ Host, State string }
		}
		if err != nil || json.Unmarshal(out, &result) != nil || len(result.Registries) != 1 || result.Registries[0].Host != host || result.Registries[0].State != "fresh" {
			t.Errorf("%v, got %s", err, out)
		}
		s.printed.add("once", out)
		s.awaitAccepted(configOf(root), host)
	})
	t.Run("token", func(t *testing.T) {
		s := s.in(t)
		if err := s.aws.Check(host, "AWS", s.token(root, good, host)); err != nil {
			t.Error(err)
		}
	})
}

// TestOneDaemonAndItsSignals is about a daemon's life: two at once, reload,
// renewal when asked, a crash.
func TestOneDaemonAndItsSignals(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudSignals, time.Hour)
	hosts := s.cloud.hosts()
	root := s.home()
	const files = "targets: [{type: docker-config}]\n"
	one := "registries: [{host: " + hosts[0] + "}]\n" + files + s.settings(s.aws.Endpoint())
	two := "registries: [{host: " + hosts[0] + "}, {host: " + hosts[3] + "}]\n" + files + s.settings(s.aws.Endpoint())
	config := s.write(one)
	d := s.startDaemon(root, config)
	s.awaitAccepted(configOf(root), hosts[0])

	second := s.launch(root, config)
	if code := second.wait(); code != 1 {
		t.Errorf("a second daemon ended with %d, want 1", code)
	}
	if text := second.log.text(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "runs with it already") {
		t.Errorf("a second daemon said %q, want one line", text)
	}

	for _, broken := range []string{"registries: [\n", two + "rerfesh: {}\n", ""} {
		mark := d.log.mark()
		s.rewrite(config, broken)
		d.signal(syscall.SIGHUP)
		if l := d.awaitAfter(mark, "configuration has an error, the former one stays", config); l.Hint == "" || l.Level != "error" {
			t.Errorf("got %s; want an error with a hint", l.raw)
		}
		mark = d.log.mark()
		d.signal(syscall.SIGUSR1)
		d.awaitAfter(mark, "token renewed", hosts[0])
	}
	s.rewrite(config, two)
	d.signal(syscall.SIGHUP)
	d.await("configuration read again")
	s.awaitAccepted(configOf(root), hosts[0], hosts[3])

	d.kill()
	d = s.startDaemon(root, config)
	d.await("token renewed", hosts[3])
	s.awaitAccepted(configOf(root), hosts[0], hosts[3])
	await(t, func() (bool, string) { // the daemon may be in the middle of a write of its own
		left, err := os.ReadDir(filepath.Dir(configOf(root)))
		return err == nil && len(left) == 1, fmt.Sprintf("a crash has left %v, %v", left, err)
	})
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}
