package main

import (
	"bytes"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// What a terminal is told: the other screen and back, as `less` and `watch` do, without a cursor and
// without lines that run over.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// screen is a terminal that shows one page at a time. Its user's own lines, and how the
// terminal was set, are back after leave.
type screen struct {
	in, out *os.File
	former  *unix.Termios // of in; nil where it is no terminal
}

// canRedraw reports whether out is a terminal on which a page can be redrawn.
func canRedraw(out *os.File) bool {
	kind := os.Getenv("TERM")
	return term.IsTerminal(int(out.Fd())) && kind != "" && kind != "dumb"
}

// enter shows the empty screen. Keys arrive at once and are not shown; those for signals
// work, but for the one of SIGQUIT, after which nobody would call leave.
func (s *screen) enter() error {
	if set, err := unix.IoctlGetTermios(int(s.in.Fd()), unix.TCGETS); err == nil {
		s.former = new(*set)
		set.Lflag &^= unix.ICANON | unix.ECHO
		set.Cc[unix.VMIN], set.Cc[unix.VTIME], set.Cc[unix.VQUIT] = 1, 0, 0
		if err := unix.IoctlSetTermios(int(s.in.Fd()), unix.TCSETS, set); err != nil {
			return os.NewSyscallError("tcsetattr", err)
		}
	}
	_, err := s.out.WriteString(enterScreen)
	if err != nil {
		s.leave()
	}
	return err
}

// leave gives the terminal back as it was, without the keys that nobody has read.
func (s *screen) leave() {
	_, _ = s.out.WriteString(leaveScreen)
	if s.former != nil {
		_ = unix.IoctlSetTermios(int(s.in.Fd()), unix.TCSETSF, s.former)
	}
}

// size is the terminal's width and height; that of a terminal which does not know is 80 by 24.
func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// show replaces the page, in one piece so that it does not flicker.
func (s *screen) show(lines []string) error {
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := s.out.Write(b.Bytes())
	return err
}

// keys sends what is typed, for as long as the process lives: a read of a terminal cannot be ended.
func (s *screen) keys() <-chan byte {
	typed := make(chan byte)
	if s.former != nil {
		go func() {
			key := make([]byte, 1)
			for {
				n, err := s.in.Read(key)
				if err != nil || n == 0 {
					return
				}
				typed <- key[0]
			}
		}()
	}
	return typed
}

// suspend stops the process, as Ctrl-Z should, until the shell says that it goes on. Where no
// shell could, it does nothing.
func (s *screen) suspend(resumed <-chan os.Signal) error {
	if session, err := unix.Getsid(0); err != nil || session == unix.Getpgrp() {
		return nil
	}
	select {
	case <-resumed: // from before
	default:
	}
	s.leave()
	// Go's runtime does not give SIGTSTP its own effect back.
	if err := unix.Kill(os.Getpid(), unix.SIGSTOP); err != nil {
		return err
	}
	<-resumed
	return s.enter()
}

// inUnicode reports whether the locale's characters are Unicode's, of which a bar needs some.
func inUnicode(getenv func(string) string) bool {
	locale := strings.ToLower(first(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}
