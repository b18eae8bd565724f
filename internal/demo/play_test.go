package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

// TestMain sees to it that nothing of a play remains.
func TestMain(m *testing.M) {
	os.Exit(clean(m))
}

func clean(m *testing.M) int {
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs, temporary := filepath.Join(dir, "programs"), filepath.Join(dir, "tmp")
	if err := errors.Join(os.Mkdir(programs, 0o700), os.Mkdir(temporary, 0o700), os.Setenv("TMPDIR", temporary)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = sync.OnceValues(func() (string, error) {
		path := filepath.Join(programs, "ecr-refreshd")
		out, err := exec.Command("go", "build", "-o", path, "ecr-refreshd/cmd/ecr-refreshd").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("build the daemon: %w\n%s", err, out)
		}
		return path, err
	})
	code := m.Run()
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		fmt.Fprintln(os.Stderr, "something remains:", left, err)
		return 1
	}
	return code
}

// program builds the daemon when the first test asks for it.
var program func() (string, error)

func testSettings(t *testing.T) settings {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return settings{daemon: path, length: 6 * time.Second, life: 6 * time.Second, pause: 200 * time.Millisecond}
}

func TestPlayWithoutAnEngine(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if code := perform(t.Context(), testSettings(t), newTimeline(&b, false), openWithout); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"login    us-east-1 (2 registries): token 1", "login    eu-west-1 (1 registry)", "login    public.ecr.aws",
		"renewed  us-east-1 (2 registries): token 2", "renewed  eu-west-1", "renewed  public.ecr.aws",
		"pulled   111122223333.dkr.ecr.us-east-1.amazonaws.com/demo", "pulled   444455556666.dkr.ecr.us-east-1.amazonaws.com/demo",
		"pulled   111122223333.dkr.ecr.eu-west-1.amazonaws.com/demo", "pulled   public.ecr.aws/demo",
		"the first tokens have expired", "failures  0", "the registry says:", "has expired. Reauthenticate", "No pull failed",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(b.String(), "daemon   says") || t.Failed() {
		t.Error(b.String())
	}
}

// spoiltStage spoils the play once the first logins are there.
type spoiltStage struct {
	stage
	spoil func()
}

func (s spoiltStage) push(ctx context.Context, reference, logins string) error {
	s.spoil()
	return s.stage.push(ctx, reference, logins)
}

func TestPlayFailsWhenNothingIsRenewed(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	code := perform(t.Context(), testSettings(t), newTimeline(&b, false), func(ctx context.Context, set settings) (stage, error) {
		s, err := openWithout(ctx, set)
		return spoiltStage{s, func() {
			s.aws().Inject(emulator.Fault{Operation: "GetAuthorizationToken", Status: http.StatusInternalServerError, Code: "ServerException"})
		}}, err
	})
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"FAILED", "token not renewed", "not how it should be"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(b.String(), "failures  0") || t.Failed() {
		t.Error(b.String())
	}
}

// stoppingStage calls everything off while a pull is under way.
type stoppingStage struct {
	stage
	cancel context.CancelFunc
	daemon *exec.Cmd
}

func (s *stoppingStage) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	s.daemon = s.stage.command(ctx, program, args...)
	return s.daemon
}

func (s *stoppingStage) pull(ctx context.Context, reference, logins string) (time.Duration, error) {
	s.cancel()
	return s.stage.pull(ctx, reference, logins)
}

func TestPlayEndsWhenItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stopping := &stoppingStage{cancel: cancel}
	set := testSettings(t)
	set.length, set.life = time.Hour, time.Hour
	var b bytes.Buffer
	code := perform(ctx, set, newTimeline(&b, false), func(ctx context.Context, set settings) (s stage, err error) {
		stopping.stage, err = openWithout(ctx, set)
		return stopping, err
	})
	if code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"pulls     0\n", "failures  0\n", "Stopped early"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if stopping.daemon.ProcessState == nil || !stopping.daemon.ProcessState.Success() {
		t.Errorf("the daemon has not ended well: %v", stopping.daemon.ProcessState)
	}
}

func TestPlayTellsOfADaemonThatEnds(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	path := filepath.Join(t.TempDir(), "daemon")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho 'panic: at once' >&2\nexit 7\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	code := perform(t.Context(), settings{daemon: path, length: time.Hour, life: time.Hour, pause: time.Hour}, newTimeline(&b, false), openWithout)
	if text := b.String(); code != exitFailed || !strings.Contains(text, "says:\npanic: at once\n") || !strings.Contains(text, "the daemon has ended: exit status 7") {
		t.Errorf("exit code %d\n%s", code, text)
	}
}

func TestParse(t *testing.T) {
	here := filepath.Join(t.TempDir(), "ecr-refreshd")
	if err := os.WriteFile(here, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string // in the error; none when empty
	}{
		{"defaults", []string{"-daemon", here}, ""},
		{"argument", []string{"-daemon", here, "now"}, "unexpected argument"},
		{"life too short", []string{"-daemon", here, "-token-life", "1s"}, "at least 4s"},
		{"shorter than a life", []string{"-daemon", here, "-for", "30s"}, "at least the life"},
		{"no pause", []string{"-daemon", here, "-every", "0s"}, "positive"},
		{"no daemon", []string{"-daemon", here + "-not"}, "make build"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := parse(tt.args, new(bytes.Buffer))
			if tt.want == "" && (err != nil || set.daemon != here || set.length != 2*time.Minute || set.life != time.Minute) {
				t.Errorf("got %+v, %v", set, err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
