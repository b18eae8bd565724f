package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readyWithin is generous: an engine is up in three seconds on a machine that
	// has nothing else to do.
	readyWithin = 90 * time.Second
	readyPoll   = 50 * time.Millisecond
	logTail     = 4000 // bytes
)

// Engine is a private Docker Engine. Its methods are not safe for concurrent use.
type Engine struct {
	Socket string // its path
	dir    string
	netns  string // the path of its network namespace; empty: this process's
	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd has ended
	output *os.File
}

// FindEngine says whether this machine has what StartEngine needs; if not, with
// a *LackError.
func FindEngine() error {
	var lacking []string
	for _, program := range []string{"dockerd", "containerd", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking = append(lacking, program)
		}
	}
	if len(lacking) > 0 {
		return &LackError{What: strings.Join(lacking, ", "), Remedy: "apt-get install docker.io"}
	}
	return nil
}

// StartEngine starts an engine that pulls and pushes images but has no network
// for containers, and waits until it answers.
func (b *Bed) StartEngine(ctx context.Context) (*Engine, error) {
	if err := FindEngine(); err != nil {
		return nil, err
	}
	return b.startEngine(ctx, "")
}

func (b *Bed) startEngine(ctx context.Context, netns string) (*Engine, error) {
	dir, err := os.MkdirTemp(b.Dir, "engine-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the group docker gets to the socket
		return nil, err
	}
	e := &Engine{Socket: filepath.Join(dir, "docker.sock"), dir: dir, netns: netns}
	if e.output, err = os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err := e.Start(ctx); err != nil {
		return nil, errors.Join(err, e.Remove())
	}
	return e, nil
}

// Host is the engine's address as $DOCKER_HOST has it.
func (e *Engine) Host() string { return "unix://" + e.Socket }

// Start starts the engine again after Stop or Kill, with what it had, and waits
// until it answers.
func (e *Engine) Start(ctx context.Context) error {
	command := []string{"dockerd", "--host=" + e.Host(), "--group=" + groupDocker,
		"--data-root=" + filepath.Join(e.dir, "data"), "--exec-root=" + e.execRoot(), "--pidfile=" + filepath.Join(e.dir, "pid"),
		"--storage-driver=vfs", // works on every file system, also on the tmpfs of the bed
		"--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"}
	if e.netns != "" {
		command = append([]string{"nsenter", "--net=" + e.netns}, command...) // which becomes dockerd
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = e.output, e.output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	ended := make(chan struct{})
	e.cmd, e.ended = cmd, ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // why it ended is in its log
	}()
	if err := e.ready(ctx); err != nil {
		e.Kill()
		return fmt.Errorf("start dockerd: %w\n%s", err, e.Log())
	}
	return nil
}

// ready waits until the engine answers.
func (e *Engine) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", e.Socket)
	}}
	defer transport.CloseIdleConnections()
	again := time.NewTicker(readyPoll)
	defer again.Stop()
	for {
		err := ping(ctx, transport)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-e.ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return fmt.Errorf("%w; at last: %w", ctx.Err(), err)
		}
	}
}

func ping(ctx context.Context, transport http.RoundTripper) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
	if err != nil {
		return err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// Stop ends the engine as a service manager does. Its data stays.
func (e *Engine) Stop() {
	_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.NewTimer(stopping)
	defer timer.Stop()
	select {
	case <-e.ended:
	case <-timer.C:
	}
	e.Kill()
}

// Kill ends the engine as a crash does. Its data stays.
func (e *Engine) Kill() {
	_ = e.cmd.Process.Kill() // it may have ended
	<-e.ended
	e.reapContainerd()
}

// reapContainerd ends the containerd that dockerd has left behind, and takes its
// exit status, as the first process of the namespace must: a dockerd that is
// started again waits for one that is neither alive nor gone.
func (e *Engine) reapContainerd() {
	text, err := os.ReadFile(filepath.Join(e.execRoot(), "containerd", "containerd.pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	// The number may belong to another process by now.
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(name) != "containerd\n" {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	_, _ = syscall.Wait4(pid, nil, 0, nil)
}

// Remove ends the engine and deletes what it had.
func (e *Engine) Remove() error {
	if e.cmd != nil {
		e.Stop()
	}
	return errors.Join(e.output.Close(), e.unmount(), os.RemoveAll(e.dir))
}

// unmount takes away what dockerd mounts for itself and leaves when it is killed.
func (e *Engine) unmount() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(string(mounts)) {
		const mountPoint = 4
		if f := strings.Fields(line); len(f) > mountPoint && strings.HasPrefix(f[mountPoint], e.dir+"/") {
			errs = append(errs, unix.Unmount(f[mountPoint], unix.MNT_DETACH))
		}
	}
	return errors.Join(errs...)
}

// Log is the end of what the engine has logged.
func (e *Engine) Log() string {
	text, err := os.ReadFile(e.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-logTail):])
}

func (e *Engine) execRoot() string { return filepath.Join(e.dir, "exec") }
