package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// usage is what a command and everything that it started and waited for took.
type usage struct {
	CPU  time.Duration `json:"cpu"`  // user and system time together
	Wall time.Duration `json:"wall"` // from start to end
	Peak int64         `json:"peak"` // bytes; the largest resident set of any one process
}

// launchArgument makes this program run the command that follows it and report
// its usage. The kernel counts towards a process's peak the memory of the process
// that it was made from. So a small process of its own has to do it, not the
// benchmark, whose memory is larger than what it measures.
const launchArgument = "launch"

// report is the launcher's file descriptor for the usage.
const report = 3

// measure runs a command through the launcher. Its error holds what the
// command said on standard error.
func measure(ctx context.Context, env []string, command ...string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, self, append([]string{launchArgument}, command...)...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = env, &stderr, []*os.File{w}
	err = cmd.Run()
	_ = w.Close() // nothing was written through it
	if err != nil {
		return usage{}, fmt.Errorf("run %q: %w: %s", command, err, strings.TrimSpace(stderr.String()))
	}
	var u usage
	if err := json.NewDecoder(r).Decode(&u); err != nil {
		return usage{}, fmt.Errorf("run %q: read its usage: %w", command, err)
	}
	return u, nil
}

// launch is the launcher: it gives the exit code.
func launch(command []string) int {
	if len(command) == 0 {
		fmt.Fprintln(os.Stderr, "bench: launch needs a command")
		return 2
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	started := time.Now()
	err := cmd.Run()
	wall := time.Since(started)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	u := usage{CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Wall: wall}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.Peak = ru.Maxrss << 10
	}
	if err := json.NewEncoder(os.NewFile(report, "report")).Encode(u); err != nil {
		fmt.Fprintln(os.Stderr, "bench: report the usage:", err)
		return 1
	}
	return 0
}
