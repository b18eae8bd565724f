package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

func TestProgressSaysWhatIsWaitedFor(t *testing.T) {
	problem := &status.Problem{Reason: fault.Network}
	row := func(region string, state status.State, p *status.Problem, targets ...status.Target) status.Registry {
		return status.Registry{Identity: "default", Region: region, State: state, Error: p, Targets: targets}
	}
	ok, pending := status.Target{Name: "engine", State: status.OK}, status.Target{Name: "engine", State: status.Pending}
	for _, tt := range []struct {
		name string
		rows []status.Registry
		want string
	}{
		{"nothing yet", []status.Registry{row("a", status.Pending, nil, pending), row("a", status.Pending, nil, pending), row("b", status.Pending, nil, pending)},
			"0 of 3 hosts logged in, waiting for the token of default in a, the token of default in b"},
		{"a failure", []status.Registry{row("a", status.Fresh, nil, ok), row("b", status.Pending, problem, pending)},
			"1 of 2 hosts logged in, waiting for the token of default in b (network)"},
		{"a target", []status.Registry{row("a", status.Fresh, nil, pending), row("b", status.Fresh, nil, pending),
			row("c", status.Fresh, nil, status.Target{Name: "file", State: status.Failed, Error: &status.Problem{Reason: fault.Local}})},
			"0 of 3 hosts logged in, waiting for engine, file (local)"},
		{"all", []status.Registry{row("a", status.Fresh, nil, ok)}, "1 of 1 hosts logged in"},
	} {
		if got := progress(tt.rows, 3*time.Second); got != "3s: "+tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// slowEngine is a place where Docker would listen, and which does not answer until it is closed.
func slowEngine(t *testing.T) (socket string, end func()) {
	socket = filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	held := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(held)
				return
			}
			held <- c
		}
	}()
	return socket, func() {
		l.Close() // which takes the socket away, too
		for c := range held {
			c.Close()
		}
	}
}

// onceEnv is an environment with an AWS in it, an engine that does not answer, and a configuration.
func onceEnv(t *testing.T, docker string) (env []string, config string) {
	aws, err := emulator.Start(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aws.Close)
	p, home := emulator.DefaultPrincipal(), t.TempDir()
	config = filepath.Join(home, "c.yaml")
	if err := os.WriteFile(config, []byte("registries: [{region: us-east-1}]\ntargets: [{type: engine}, {type: docker-config}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "STATE_DIRECTORY=" + home, "RUNTIME_DIRECTORY=" + home, "TERM=xterm", "AWS_ENDPOINT_URL=" + aws.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + p.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + p.SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true", "DOCKER_HOST=unix://" + docker}, config
}

func TestOnceShowsItsProgressOnATerminalOnly(t *testing.T) {
	t.Parallel()
	socket, end := slowEngine(t)
	env, config := onceEnv(t, socket)
	s := newTerminal(t, 100, 20)
	cmd := s.run(env, "once", "--config", config)
	s.shows("0 of 1 hosts logged in, waiting for engine")
	end()
	s.ended(cmd, 1)
	s.shows("engine failed, docker-config ok")
	s.await("no progress any more", func(w window) bool { return !strings.Contains(w.text(), "waiting for") })

	// Neither a pipe nor a cron mail has any of it. An engine that is away takes seconds, too: it is tried three times.
	pipe := exec.Command("ecr-refreshd", "once", "--config", config)
	pipe.Env = append(os.Environ(), env...)
	out, _ := pipe.CombinedOutput()
	if strings.ContainsAny(string(out), "\r\x1b") || strings.Contains(string(out), "waiting") || !strings.Contains(string(out), "engine failed") {
		t.Errorf("a pipe has %q", out)
	}
}
