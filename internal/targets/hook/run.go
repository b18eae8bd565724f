package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
)

const (
	// usualGrace is how long the command may take to end by itself after SIGTERM, and then how long
	// the kernel may take to end it after SIGKILL.
	usualGrace = time.Second
	// lastWords is how long what the command has left behind may hold its output open.
	lastWords = 200 * time.Millisecond
	// kept is how much of the end of the output is kept, in bytes. What is shown of it is less.
	kept, shown = 4 << 10, 480
	// path is what the command finds programs with.
	path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

var (
	errTimeout = errors.New("it did not end in time and was killed")
	errStuck   = errors.New("it did not end in time and cannot be killed")
)

// run runs the command with the logins and returns the end of what it printed. over is called once it
// has ended, which may be after run has returned.
func (t *Target) run(ctx context.Context, logins []login.Login, over func()) (said string, err error) {
	in, err := inputOf(logins)
	if err != nil {
		over()
		return "", t.fault(err, "")
	}
	as, err := t.account(ctx)
	if err == nil {
		err = t.trust()
	}
	if err != nil {
		over()
		return "", t.fault(err, t.hint(err))
	}
	secrets := make([]login.Secret, len(logins))
	for i, l := range logins {
		secrets[i] = l.Secret
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.Timeout, errTimeout)
	defer cancel()
	out := &tail{redactor: login.NewRedactor(secrets...)}
	ended := make(chan error, 1)
	go func() {
		// What the kernel takes for the parent, whose end sends the death signal, is a thread: this
		// one must not end before the command, as those of osuser.As end.
		runtime.LockOSThread()
		err := execute(ctx, t.commandOf(as, in, out), t.grace)
		runtime.UnlockOSThread()
		over()
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		late := time.NewTimer(2*t.grace + lastWords)
		defer late.Stop()
		select {
		case err = <-ended:
		case <-late.C:
			err = errStuck
		}
	}
	said = out.String()
	if err == nil {
		return said, nil
	}
	hint := t.hint(err)
	if said != "" {
		err = fmt.Errorf("%w%s%s", err, fault.Printed, said)
	}
	return said, t.fault(err, hint)
}

// account finds whom the command runs as; nil for this process's own account.
func (t *Target) account(ctx context.Context) (*osuser.Account, error) {
	if t.User == "" {
		return nil, nil
	}
	a, err := osuser.Lookup(ctx, t.User)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// trust refuses a program that somebody else could change than root and this process's account.
// Not even the account that it runs as: with a lease on its file that could hold up this process,
// which waits for the start of the program.
func (t *Target) trust() error {
	rule := filetrust.Rule{What: "what gets the logins", Owners: []uint32{uint32(os.Geteuid()), 0}}
	p, err := rule.Walk(t.Command[0])
	defer unix.Close(p.FD)
	if err != nil {
		return err
	}
	if p.Name == "" {
		return unix.EISDIR
	}
	fd, err := unix.Openat(p.FD, p.Name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: t.Command[0], Err: err}
	}
	defer unix.Close(fd)
	return rule.Check(filepath.Join(p.Path, p.Name), fd)
}

// commandOf makes the command: with a minimal environment, in a session of its own, without a terminal, and
// ended with this process.
func (t *Target) commandOf(as *osuser.Account, in []byte, out *tail) *exec.Cmd {
	cmd := exec.Command(t.Command[0], t.Command[1:]...)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), out, out
	cmd.WaitDelay = lastWords
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	name, home := "", os.Getenv("HOME")
	if self, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
		name, home = self.Username, self.HomeDir
	}
	if as != nil {
		name, home = as.Name, as.Home
		if as.UID != os.Geteuid() {
			c := &syscall.Credential{Uid: uint32(as.UID), Gid: uint32(as.GID)}
			for _, g := range as.Groups {
				c.Groups = append(c.Groups, uint32(g))
			}
			cmd.SysProcAttr.Credential = c
		}
	}
	cmd.Env = []string{"PATH=" + path, "LANG=C.UTF-8", "HOME=" + home, "USER=" + name, "LOGNAME=" + name}
	return cmd
}

// execute runs the command to its end, or ends it with ctx, and with it what it has started in
// its process group.
func execute(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	group := -cmd.Process.Pid
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		// It is not reaped yet, so that the number of the group stays its own.
		for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
	}()
	var cause error
	select {
	case <-exited:
	case <-ctx.Done():
		cause = context.Cause(ctx)
		_ = unix.Kill(group, unix.SIGTERM)
		timer := time.NewTimer(grace)
		select {
		case <-exited:
		case <-timer.C:
		}
		timer.Stop()
	}
	// What is left of the group; there may be nothing.
	_ = unix.Kill(group, unix.SIGKILL)
	<-exited
	err := cmd.Wait()
	if cause != nil {
		return cause
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it has ended well, and only what it started was still there
		return nil
	}
	return err
}

// tail is a writer that keeps the end of a text. Safe for concurrent use.
type tail struct {
	redactor login.Redactor
	mu       sync.Mutex
	end      []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p[max(0, len(p)-kept):]...)
	if len(t.end) > 2*kept {
		t.end = append([]byte(nil), t.end[len(t.end)-kept:]...)
	}
	return len(p), nil
}

// String returns the last lines as one, without secrets and control characters.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.end))
	if len(text) > shown {
		text = text[len(text)-shown:]
		if _, rest, more := strings.Cut(text, "\n"); more {
			text = rest
		}
	}
	return t.redactor.Clean(text)
}

// hint says what a person can do about err.
func (t *Target) hint(err error) string {
	refused, isRefused := errors.AsType[*filetrust.Error](err)
	exit, isExit := errors.AsType[*exec.ExitError](err)
	errno, _ := errors.AsType[syscall.Errno](err)
	switch {
	case isRefused:
		return "nobody but root and the account that ecr-refreshd runs as may change the command: " + refused.Cure(t.Command[0])
	case errors.Is(err, osuser.ErrUnknown):
		return "create the account " + t.User + " or correct `user`; `getent passwd " + t.User + "` shows whether this host knows it; until then it is waited for"
	case errors.Is(err, errTimeout):
		return "see what it waits for, or set a longer `timeout`; it is run again"
	case errors.Is(err, errStuck):
		return "ecr-refreshd may not end processes of " + t.User + ": give it CAP_KILL (see docs/guides/hooks.md); or a disk or network file system holds the command"
	case isExit && exit.Exited():
		return "see what the command says, and run it by hand; it is run again"
	case isExit:
		return "find out who or what has ended the command: journalctl -k"
	}
	switch errno {
	case unix.ENOENT:
		return "see that " + t.Command[0] + " exists, and the interpreter that its first line names"
	case unix.EACCES:
		return "make it executable for the account that it runs as: ls -l " + t.Command[0]
	case unix.EPERM:
		return "run ecr-refreshd as root, or with CAP_SETUID and CAP_SETGID (see docs/guides/hooks.md), or leave out `user`"
	case unix.ENOEXEC:
		return "begin the script with a line such as #!/bin/sh"
	case unix.EAGAIN, unix.ENOMEM:
		return "this host or unit has no room for another process: see TasksMax= and MemoryMax= of the unit, and ulimit -u"
	}
	return ""
}
