package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"ecr-refreshd/internal/status"
)

// pretended is a daemon that answers with a status of the test's.
type pretended struct {
	t      *testing.T
	socket string
	mu     sync.Mutex
	report status.Report
	server *http.Server
}

func pretend(t *testing.T, rows int) *pretended {
	d := &pretended{t: t, socket: filepath.Join(t.TempDir(), "s")}
	now := time.Now()
	d.report = *aReport(rows)
	d.report.StartedAt, d.report.Config.LoadedAt = now, now
	for i := range d.report.Registries {
		r := &d.report.Registries[i]
		r.RefreshedAt, r.ExpiresAt, r.NextRefreshAt = new(now.Add(-3*time.Hour)), new(now.Add(9*time.Hour)), new(now.Add(3*time.Hour))
	}
	d.start()
	return d
}

func (d *pretended) start() {
	l, err := net.Listen("unix", d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d.report)
	})}
	server := d.server
	go func() { _ = server.Serve(l) }()
	d.t.Cleanup(func() { server.Close() })
}

func (d *pretended) change(change func(*status.Report)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.report)
}

func (d *pretended) env() []string {
	return []string{"ECR_REFRESHD_SOCKET=" + d.socket, "HOME=" + filepath.Dir(d.socket), "TERM=xterm", "LC_ALL=C.UTF-8", "NO_COLOR="}
}

func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	d := pretend(t, 2000)
	s := newTerminal(t, 120, 24)
	cmd := s.run(d.env(), "status", "--watch")
	s.shows("2,000 registries, all fresh")
	s.shows("█████████░░░")
	s.shows("… 1,981 more, all fresh")
	s.await("the other screen without a cursor", func(w window) bool { return w.other && w.hidden && len(w.lines) <= 24 })
	fits := func(width, height int) func(window) bool {
		return func(w window) bool {
			for _, l := range w.lines {
				if utf8.RuneCountInString(l) > width {
					return false
				}
			}
			return len(w.lines) == height
		}
	}
	s.await("24 lines", fits(120, 24))
	s.resize(80, 10)
	s.await("10 lines of 80", fits(80, 10))
	s.shows("… 1,995 more, all fresh")
	s.resize(150, 50)
	s.await("50 lines", fits(150, 50))

	// What changes is there at the next look, the worst first.
	d.change(func(r *status.Report) {
		row := &r.Registries[1999]
		row.State, row.Error = status.Failing, &status.Problem{Message: "AccessDenied \x1b[2J", Hint: "allow it"}
	})
	s.shows("1 failing, 1,999 fresh")
	s.await("the failing one in the first row", func(w window) bool { return strings.Contains(w.lines[4], "failing") })
	s.shows("AccessDenied \uFFFD[2J; allow it")

	// A daemon that goes is waited for.
	d.server.Close()
	_ = os.Remove(d.socket)
	s.shows("no answer for")
	d.start()
	s.shows("1 failing, 1,999 fresh")

	s.press("xq")
	s.ended(cmd, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.window.unknown != "" {
		t.Errorf("the program writes %s", s.window.unknown)
	}
	if !strings.Contains(s.raw.String(), "\x1b[3") {
		t.Error("there is no colour")
	}
}

func TestEveryEndOfWatchRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*terminal, *os.Process){
		"q":       func(s *terminal, _ *os.Process) { s.press("q") },
		"Ctrl-C":  func(s *terminal, _ *os.Process) { s.press("\x03") },
		"SIGTERM": func(_ *terminal, p *os.Process) { _ = p.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(_ *terminal, p *os.Process) { _ = p.Signal(syscall.SIGHUP) },
		"Ctrl-\\ is no end": func(s *terminal, _ *os.Process) {
			s.press("\x1c\x1a") // nor is Ctrl-Z, where there is no shell
			s.press("q")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pretend(t, 1)
			s := newTerminal(t, 100, 20)
			cmd := s.run(d.env(), "status", "--watch")
			s.shows("1 registry: 1 fresh")
			if s.settings() == s.beginning {
				t.Error("keys do not arrive at once")
			}
			end(s, cmd.Process)
			s.ended(cmd, 0)
		})
	}
}

func TestAShellStopsWatchAndLetsItGoOn(t *testing.T) {
	t.Parallel()
	d := pretend(t, 1)
	s := newTerminal(t, 100, 20)
	shell := s.start(exec.Command("sh", "-i"), append(d.env(), "PS1=ready: "))
	s.shows("ready:")
	s.press("ecr-refreshd status --watch\n")
	s.shows("1 registry: 1 fresh")
	s.press("\x1a")
	s.await("the shell's screen", func(w window) bool { return !w.other && !w.hidden && strings.Contains(w.text(), "ready:") })
	s.press("fg\n")
	s.await("the page again", func(w window) bool { return w.other && strings.Contains(w.text(), "1 registry: 1 fresh") })
	s.press("q")
	s.await("the shell's screen", func(w window) bool { return !w.other && !w.hidden && strings.Contains(w.text(), "ready:") })
	s.press("exit\n")
	s.ended(shell, 0)
}

func TestWatchWithoutColoursAndUnicode(t *testing.T) {
	t.Parallel()
	d := pretend(t, 50)
	s := newTerminal(t, 100, 20)
	cmd := s.run(append(d.env(), "LC_ALL=C", "NO_COLOR=1"), "status", "--watch")
	s.shows("[######..]")
	s.shows("... 35 more, all fresh")
	s.press("q")
	s.ended(cmd, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.raw.String() {
		if r > 126 {
			t.Errorf("%q is not ASCII", r)
		}
	}
	if strings.Contains(s.raw.String(), "\x1b[3") {
		t.Error("there is colour")
	}
}

func TestADumbTerminalGetsATableForEachChange(t *testing.T) {
	t.Parallel()
	d := pretend(t, 1)
	s := newTerminal(t, 100, 20)
	cmd := s.run(append(d.env(), "TERM=dumb"), "status", "--watch")
	s.shows(" fresh ")
	s.press("\x03")
	s.ended(cmd, 0)
	if raw := s.raw.String(); strings.Contains(raw, "\x1b") {
		t.Errorf("got %q", raw)
	}
}
