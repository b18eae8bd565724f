package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopping is more than the five seconds in which the daemon promises to end.
const stopping = 10 * time.Second

// daemon is a running `ecr-refreshd run`.
type daemon struct {
	said   chan line // what it logs; closed when it has ended
	cancel context.CancelFunc
	err    error // how it ended; set before said is closed
}

// startDaemon writes a configuration into dir and starts the daemon with it. The
// logins go to the config.json in the directory logins.
func startDaemon(program, dir, logins string, s stage) (*daemon, error) {
	path := filepath.Join(dir, "ecr-refreshd.yaml")
	if err := os.WriteFile(path, []byte(configuration(s.aws().Endpoint(), s.engine(), logins)), 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	// Debug, as single logins are not worth a line in production.
	cmd := s.command(ctx, program, "run", "--config", path, "--log-level", "debug", "--log-format", "json")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopping
	// A group of its own keeps the terminal's Ctrl-C away; the kernel ends the
	// daemon when this process is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	d := &daemon{said: make(chan line), cancel: cancel}
	started := make(chan error)
	go d.listen(cmd, started)
	if err := <-started; err != nil {
		cancel()
		return nil, fmt.Errorf("start %q: %w", program, err)
	}
	return d, nil
}

// listen starts the daemon, passes on what it logs and waits for its end.
func (d *daemon) listen(cmd *exec.Cmd, started chan<- error) {
	// The death signal is for the end of the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	reader := bufio.NewReader(log)
	for {
		text, err := reader.ReadString('\n')
		if text = strings.TrimSpace(text); text != "" {
			d.said <- readLine(text)
		}
		if err != nil {
			break
		}
	}
	d.err = cmd.Wait()
	close(d.said)
}

// stop ends the daemon and waits for it.
func (d *daemon) stop() {
	d.cancel()
	for range d.said { // so that nothing holds it up
	}
}

// configuration is the daemon's, with an engine unless that is empty.
func configuration(endpoint, engine, logins string) string {
	var c strings.Builder
	fmt.Fprintf(&c, "registries:\n")
	for _, h := range hosts() {
		fmt.Fprintf(&c, "  - host: %s\n", h)
		if h == publicHost() {
			fmt.Fprintf(&c, "    aws: {endpoint_url: %q}\n", endpoint)
		}
	}
	fmt.Fprintf(&c, "aws: {endpoint_url: %q}\n", endpoint)
	fmt.Fprintf(&c, "targets:\n  - {type: docker-config, name: %s, path: %q}\n", targetFile, filepath.Join(logins, configFile))
	if engine != "" {
		fmt.Fprintf(&c, "  - {type: engine, host: %q}\n", engine)
	}
	return c.String()
}

const (
	targetFile = "docker-config" // the target whose logins are pulled with
	configFile = "config.json"
)
