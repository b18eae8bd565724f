package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// daemon is a running `ecr-refreshd run` with its log at debug level.
type daemon struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   *journal
	ended chan struct{}
}

// startDaemon starts the daemon and waits until it says so.
func (s *scene) startDaemon(as testbed.Account, config string, env ...string) *daemon {
	s.t.Helper()
	d := s.launch(as, config, env...)
	d.await("started")
	return d
}

// launch starts the daemon. It ends with the test.
func (s *scene) launch(as testbed.Account, config string, env ...string) *daemon {
	s.t.Helper()
	d := &daemon{t: s.t, log: new(journal), ended: make(chan struct{})}
	d.cmd = s.bed.Command(context.Background(), as, env, s.binary, "run", "--config", config, "--log-level", "debug", "--log-format", "json")
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		_ = d.cmd.Wait()
		s.printed.add("ecr-refreshd run", []byte(d.log.text()))
	}()
	s.t.Cleanup(func() {
		d.kill()
		if s.t.Failed() {
			s.t.Logf("log of ecr-refreshd run:\n%s", d.log.end())
		}
	})
	return d
}

// in is the daemon for a part of its test.
func (d *daemon) in(t *testing.T) *daemon {
	part := *d
	part.t = t
	return &part
}

// stopsWithin is the time that service managers are promised.
const stopsWithin = 5 * time.Second

// stop ends the daemon as a service manager does and gives its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	start := time.Now()
	d.signal(syscall.SIGTERM)
	code := d.wait()
	if took := time.Since(start); took > stopsWithin {
		d.t.Errorf("ecr-refreshd took %s to stop, want at most %s", took, stopsWithin)
	}
	return code
}

func (d *daemon) signal(s syscall.Signal) { _ = d.cmd.Process.Signal(s) }

// wait gives the exit code once the daemon has ended.
func (d *daemon) wait() int {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Fatal("ecr-refreshd does not end")
	}
	return d.cmd.ProcessState.ExitCode()
}

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}

// await waits for a line with this message and these parts, after those that
// had been written before mark.
func (d *daemon) await(message string, parts ...string) line {
	d.t.Helper()
	return d.awaitAfter(0, message, parts...)
}

func (d *daemon) awaitAfter(mark int, message string, parts ...string) line {
	d.t.Helper()
	var found line
	await(d.t, func() (bool, string) {
		lines := d.log.find(mark, message, parts...)
		if len(lines) > 0 {
			found = lines[0]
		}
		return len(lines) > 0, "a line " + message + " with " + strings.Join(parts, ", ")
	})
	return found
}

// journal is what a daemon has written to its log. Safe for concurrent use.
type journal struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

// line is one of the journal.
type line struct {
	Level, Msg, Reason, Hint, Error, Target, Region string
	Host                                            []string
	Attempt                                         int
	raw                                             string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.raw.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.raw.String()
}

// end is the last part of the text.
func (j *journal) end() string {
	text := j.text()
	return text[max(0, len(text)-6000):]
}

// mark is a place in the journal: everything written later comes after it.
func (j *journal) mark() int { return len(j.text()) }

// lines takes the complete lines after mark apart. What is not JSON is a line
// without a message.
func (j *journal) lines(mark int) []line {
	text := j.text()[mark:]
	var all []line
	for raw := range strings.Lines(text) {
		if !strings.HasSuffix(raw, "\n") {
			break
		}
		var l line
		_ = json.Unmarshal([]byte(raw), &l)
		l.raw = raw
		all = append(all, l)
	}
	return all
}

// find gives the lines with this message in which every part occurs.
func (j *journal) find(mark int, message string, parts ...string) []line {
	var found []line
next:
	for _, l := range j.lines(mark) {
		if l.Msg != message {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(l.raw, part) {
				continue next
			}
		}
		found = append(found, l)
	}
	return found
}

// loud gives the lines that a person sees who reads warnings and errors.
func (j *journal) loud(mark int) []line {
	var found []line
	for _, l := range j.lines(mark) {
		if l.Level == "warn" || l.Level == "error" {
			found = append(found, l)
		}
	}
	return found
}
