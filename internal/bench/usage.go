package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// usage is what a command and everything that it started and waited for took.
type usage struct {
	CPU  time.Duration // user and system time together
	Wall time.Duration // from start to end
	Peak int64         // bytes; the largest resident set of any one process
}

// reportLimit is more than the launcher has to say, in bytes.
const reportLimit = 128

// measure runs a command through the program of package launcher, with stdin as
// its standard input, and gives what it wrote to its standard output. The error
// holds what the command said, for which credential helpers use the latter.
func measure(ctx context.Context, launcher string, env []string, stdin string, command ...string) (usage, []byte, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return usage{}, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, nil, err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, launcher, append([]string{path}, command[1:]...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.Env, cmd.ExtraFiles = env, []*os.File{w}
	err = cmd.Run()
	_ = w.Close() // nothing was written through it
	if err != nil {
		return usage{}, nil, fmt.Errorf("run %q: %w: %s", command, err, bytes.TrimSpace(append(stderr.Bytes(), stdout.Bytes()...)))
	}
	line, err := io.ReadAll(io.LimitReader(r, reportLimit))
	if err != nil {
		return usage{}, nil, fmt.Errorf("run %q: read its usage: %w", command, err)
	}
	u, err := parseUsage(string(line))
	if err != nil {
		return usage{}, nil, fmt.Errorf("run %q: read its usage: %w", command, err)
	}
	return u, stdout.Bytes(), nil
}

// parseUsage reads the launcher's report.
func parseUsage(line string) (u usage, err error) {
	_, err = fmt.Sscanf(line, "%d %d %d", &u.CPU, &u.Wall, &u.Peak)
	switch {
	case err != nil:
	case !strings.HasSuffix(line, "\n"):
		err = errors.New("it is cut short")
	case min(int64(u.CPU), int64(u.Wall), u.Peak) < 0:
		err = errors.New("a figure is negative")
	default:
		return u, nil
	}
	return usage{}, fmt.Errorf("parse %q: %w", line, err)
}
