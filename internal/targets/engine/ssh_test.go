package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"

	"github.com/docker/cli/cli/connhelper/commandconn"
)

// The fake ssh is a shell script that writes down its process id and becomes
// this test binary, which joins standard input and output to an engine's
// socket, as `docker system dial-stdio` does on the far side.
const (
	dialEnv   = "ENGINE_TEST_DIAL"
	upEnv     = "ENGINE_TEST_UP" // instead of joining, write to this file and wait for SIGTERM
	sshScript = `#!/bin/sh
echo "$$ $*" >>"$ENGINE_TEST_SSH_LOG"
exec "$ENGINE_TEST_BINARY"
`
	sshRefuses = `#!/bin/sh
echo "$$ $*" >>"$ENGINE_TEST_SSH_LOG"
echo "ops@build-1: Permission denied (publickey)." >&2
exit 255
`
)

func TestMain(m *testing.M) {
	switch socket, up := os.Getenv(dialEnv), os.Getenv(upEnv); {
	case len(os.Args) > 1 || socket == "":
		m.Run()
	case up != "":
		hang(up)
	default:
		dialStdio(socket)
	}
}

// hang takes a while to end, so that whoever does not wait for it is found out.
func hang(up string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if os.WriteFile(up, nil, 0o600) == nil {
		<-term
		time.Sleep(300 * time.Millisecond)
	}
}

func dialStdio(socket string) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, c)
}

// fakeSSH puts script first in PATH as ssh; the result lists its calls.
func fakeSSH(t *testing.T, script, socket string) (calls func() []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("ENGINE_TEST_BINARY", self)
	t.Setenv("ENGINE_TEST_SSH_LOG", log)
	t.Setenv(dialEnv, socket)
	return func() []string {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// checkEnded fails for each call whose process is still there, dead or alive.
func checkEnded(t *testing.T, calls []string) {
	t.Helper()
	for _, call := range calls {
		word, _, _ := strings.Cut(call, " ")
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("ssh process %d is left behind: %v", pid, err)
		}
	}
}

func TestSSHReachesTheEngineAndEndsWithTheStore(t *testing.T) {
	socket := socketPath(t)
	f := &fakeEngine{version: "1.41"}
	serve(t, socket, f)
	calls := fakeSSH(t, sshScript, socket)
	tgt := newTarget(Options{Host: "ssh://ops@build-1:2222"})
	if err := tgt.Store(t.Context(), loginsFor(manyHosts(30)...)); err != nil {
		t.Fatal(err)
	}
	if _, seen := f.calls(); len(seen) != 30 {
		t.Errorf("%d logins, want 30", len(seen))
	}
	got := calls()
	// net/http may dial for a request that then takes a connection which has become free.
	if len(got) > 2*parallel || !strings.Contains(got[0], "-l ops -p 2222") || !strings.Contains(got[0], "build-1 docker system dial-stdio") ||
		strings.Contains(strings.Join(got, "\n"), password) {
		t.Errorf("ssh was called as %q", got)
	}
	checkEnded(t, got)
}

func TestSSHThatFailsTellsWhatItSaid(t *testing.T) {
	calls := fakeSSH(t, sshRefuses, "unused")
	err := newTarget(Options{Host: "ssh://ops@build-1"}).Store(t.Context(), loginsFor("h"))
	all := fault.All(err)
	if len(all) != 1 || all[0].Reason != fault.Engine || !strings.Contains(err.Error(), "Permission denied (publickey)") ||
		!strings.Contains(all[0].Hint, "ssh ssh://ops@build-1 docker version") {
		t.Errorf("got %v, %+v", err, all)
	}
	checkEnded(t, calls())
}

func TestSSHThatEndsBeforeARequestTellsWhatItSaid(t *testing.T) {
	dial := sshDial(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return commandconn.New(ctx, "sh", "-c", "exec 0<&-; echo up; echo 'Host key verification failed.' >&2; exit 255")
	}, sshGrace)
	c, err := dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("HEAD")); err == nil || !strings.Contains(err.Error(), "Host key verification failed.") {
		t.Errorf("got %v", err)
	}
}

func TestSSHWhoseChildOutlivesItDoesNotHoldUpClose(t *testing.T) {
	dial := sshDial(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return commandconn.New(ctx, "sh", "-c", "sleep 1000 </dev/null >/dev/null & echo $!; wait")
	}, time.Millisecond)
	c, err := dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(child, syscall.SIGKILL) }()
	if err := c.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := syscall.Kill(child, 0); err != nil {
		t.Errorf("the child was to outlive Close: %v", err)
	}
}

func TestSSHThatIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := newTarget(Options{Host: "ssh://build-1"}).Store(t.Context(), loginsFor("h"))
	if all := fault.All(err); len(all) != 1 || all[0].Reason != fault.Engine || !strings.Contains(all[0].Hint, "openssh-client") {
		t.Errorf("got %v, %+v", err, all)
	}
}

func TestSSHThatHangsEndsWithTheContext(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "up")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	calls := fakeSSH(t, sshScript, "unused")
	t.Setenv(upEnv, fifo)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- newTarget(Options{Host: "ssh://build-1"}).Store(ctx, loginsFor("h")) }()
	if _, err := os.ReadFile(fifo); err != nil { // returns once ssh is up
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, ctx.Err()) {
		t.Errorf("got %v", err)
	}
	checkEnded(t, calls())
}
