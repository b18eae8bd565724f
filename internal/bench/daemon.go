package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// roundWithin bounds the wait for a daemon's first round.
	roundWithin = time.Minute
	// stopWithin is a little more than a daemon promises.
	stopWithin = 10 * time.Second
	// longestLine is room for an event that names all hosts of the largest fleet.
	longestLine = 1 << 20
)

// daemon is a running `ecr-refreshd run`.
type daemon struct {
	cmd     *exec.Cmd
	started time.Time
	round   chan roundEnd // gets the end of the first round, once
	ended   chan struct{} // closed when the process has ended and been waited for
}

// roundEnd tells when every login was in every target, or why that will not be.
type roundEnd struct {
	at  time.Time
	err error
}

// startDaemon starts a daemon that is to keep so many hosts in so many targets. Its
// first round is seen at the level debug alone: only there does it say that a
// login is stored.
func startDaemon(program string, env []string, config, level string, hosts, targets int) (*daemon, error) {
	cmd := exec.Command(program, "run", "--config", config, "--log-level", level, "--log-format", "json")
	cmd.Env = env
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	d := &daemon{cmd: cmd, started: time.Now(), round: make(chan roundEnd, 1), ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(d.ended)
		at, err := follow(log, hosts, targets)
		d.round <- roundEnd{at, err}
		_, _ = io.Copy(io.Discard, log) // it must not block
		_ = cmd.Wait()                  // it is ended by a signal
	}()
	return d, nil
}

// firstRound waits for the end of the first round and gives its time since the
// start of the process.
func (d *daemon) firstRound(ctx context.Context) (time.Duration, error) {
	timer := time.NewTimer(roundWithin)
	defer timer.Stop()
	select {
	case end := <-d.round:
		return end.at.Sub(d.started), end.err
	case <-timer.C:
		return 0, fmt.Errorf("wait for the daemon's first round: not over after %s", roundWithin)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// stop ends the daemon and gives the CPU time of its whole life.
func (d *daemon) stop() time.Duration {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-d.ended:
	case <-timer.C:
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
	return d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime()
}

// follow reads a log until every one of the hosts is stored in every one of the
// targets, and gives the moment at which it read so. A line names the first of its
// hosts and counts the rest, which are those that it names with them each time.
func follow(log io.Reader, hosts, targets int) (time.Time, error) {
	stored := make(map[string]map[string]bool) // hosts by target
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestLine)
	for left := hosts * targets; lines.Scan(); {
		now := time.Now()
		var e struct {
			Msg, Target, Error string
			Host               []string
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return time.Time{}, errors.New(strings.TrimSpace(lines.Text())) // said before there was a log
		}
		if e.Error != "" {
			return time.Time{}, fmt.Errorf("the daemon says: %s: %s", e.Msg, e.Error)
		}
		if e.Msg != "login stored" {
			continue
		}
		if stored[e.Target] == nil {
			stored[e.Target] = make(map[string]bool, hosts)
		}
		for _, h := range e.Host {
			if stored[e.Target][h] {
				break
			}
			more := 0
			if n, _ := fmt.Sscanf(h, "and %d more", &more); n == 1 {
				left -= more
				continue
			}
			stored[e.Target][h] = true
			left--
		}
		if left <= 0 {
			return now, nil
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, os.ErrClosed) {
		return time.Time{}, fmt.Errorf("read the daemon's log: %w", err)
	}
	return time.Time{}, errors.New("the daemon has ended")
}
