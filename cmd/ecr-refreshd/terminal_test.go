package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a real one of the kernel, with a program in it, and what its
// window would show.
type terminal struct {
	t         *testing.T
	ours      *os.File // the side of the window
	theirs    *os.File
	mu        sync.Mutex
	window    window
	raw       strings.Builder // all that was written
	beginning unix.Termios
}

func newTerminal(t *testing.T, width, height uint16) *terminal {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	t.Cleanup(func() { ours.Close() })
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no terminal can be opened here: %v", err)
	}
	t.Cleanup(func() { theirs.Close() })
	s := &terminal{t: t, ours: ours, theirs: theirs}
	s.beginning = s.settings()
	s.resize(width, height)
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := ours.Read(buffer)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.raw.Write(buffer[:n])
			s.window.write(string(buffer[:n]))
			s.mu.Unlock()
		}
	}()
	return s
}

func (s *terminal) settings() unix.Termios {
	s.t.Helper()
	now, err := unix.IoctlGetTermios(int(s.theirs.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *now
}

func (s *terminal) resize(width, height uint16) {
	s.t.Helper()
	if err := unix.IoctlSetWinsize(int(s.ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		s.t.Fatal(err)
	}
}

// run starts the program in the terminal.
func (s *terminal) run(env []string, args ...string) *exec.Cmd {
	s.t.Helper()
	return s.start(exec.Command("ecr-refreshd", args...), env)
}

// start starts a command in a session of its own, as a login would.
func (s *terminal) start(cmd *exec.Cmd, env []string) *exec.Cmd {
	s.t.Helper()
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.theirs, s.theirs, s.theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func (s *terminal) press(keys string) {
	s.t.Helper()
	if _, err := s.ours.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until what the window shows is right.
func (s *terminal) await(what string, right func(w window) bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		ok := right(s.window)
		text, raw := s.window.text(), s.raw.String()
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the window does not show %s:\n%s\nof\n%q", what, text, raw[max(0, len(raw)-2000):])
		}
	}
}

func (s *terminal) shows(text string) {
	s.t.Helper()
	s.await(strconv.Quote(text), func(w window) bool { return strings.Contains(w.text(), text) })
}

// ended waits for the program and sees that the terminal is as it was.
func (s *terminal) ended(cmd *exec.Cmd, code int) {
	s.t.Helper()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d (%v), want %d", got, cmd.ProcessState, code)
	}
	s.restored()
}

func (s *terminal) restored() {
	s.t.Helper()
	s.await("its own screen with a cursor", func(w window) bool { return !w.other && !w.hidden && !w.cutting })
	if now := s.settings(); now != s.beginning {
		s.t.Errorf("the terminal's settings are %+v, were %+v", now, s.beginning)
	}
}

// window understands what the program writes to a terminal, and nothing else.
type window struct {
	lines                  []string
	row, column            int
	other, hidden, cutting bool // on the other screen, without a cursor, without long lines
	rest                   string
	unknown                string
}

var sequence = regexp.MustCompile(`^\x1b\[(\??)([0-9;]*)([a-zA-Z])`)

func (w *window) write(text string) {
	text, w.rest = w.rest+text, ""
	for len(text) > 0 {
		switch {
		case text[0] == '\x1b':
			m := sequence.FindStringSubmatch(text)
			if m == nil {
				w.rest = text // the end is still to come
				return
			}
			w.control(m[1]+m[2], m[3])
			text = text[len(m[0]):]
		case text[0] == '\r':
			w.column, text = 0, text[1:]
		case text[0] == '\n':
			w.row, text = w.row+1, text[1:]
		default:
			end := strings.IndexAny(text, "\x1b\r\n")
			if end < 0 {
				end = len(text)
			}
			w.put(text[:end])
			text = text[end:]
		}
	}
}

func (w *window) line() *string {
	for len(w.lines) <= w.row {
		w.lines = append(w.lines, "")
	}
	return &w.lines[w.row]
}

func (w *window) put(text string) {
	l := w.line()
	old, added := []rune(*l), []rune(text)
	for len(old) < w.column+len(added) {
		old = append(old, ' ')
	}
	copy(old[w.column:], added)
	*l = string(old)
	w.column += len(added)
}

func (w *window) control(argument, letter string) {
	switch letter + argument {
	case "h?1049", "l?1049":
		w.other = letter == "h"
		w.lines, w.row, w.column = nil, 0, 0
	case "l?25", "h?25":
		w.hidden = letter == "l"
	case "l?7", "h?7":
		w.cutting = letter == "l"
	case "H":
		w.row, w.column = 0, 0
	case "K":
		l := w.line()
		*l = string([]rune(*l)[:min(w.column, len([]rune(*l)))])
	case "J":
		w.lines = w.lines[:min(len(w.lines), w.row+1)]
	default:
		if letter != "m" {
			w.unknown += letter + argument + " "
		}
	}
}

func (w *window) text() string { return strings.Join(w.lines, "\n") }
