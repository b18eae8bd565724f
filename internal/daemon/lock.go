package daemon

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/fault"
)

// Lock makes sure that one daemon alone runs with the configuration at path:
// two would undo each other's logins for ever. The lock is an flock on a file
// in dir, which is made if it is not there and which only its owner may write,
// and it ends with the process, however that ends. An error of reason
// fault.Local that Is ErrRunning means that another one runs.
func Lock(dir, path string) (release func(), err error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(absolute))
	name := filepath.Join(dir, fmt.Sprintf("%x.lock", sum[:8]))
	fail := func(err error) (func(), error) {
		return nil, &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("lock %q", name), Err: err,
			Hint: "make " + dir + " writable for this user, or set $XDG_RUNTIME_DIR"}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail(err)
	}
	f, err := openLock(dir, name)
	if err != nil {
		return fail(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fail(err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("run with %q", absolute),
			Err:  fmt.Errorf("%w, as process %s", ErrRunning, strings.TrimSpace(string(pid))),
			Hint: "`systemctl status ecr-refreshd` shows it; `ecr-refreshd once` may run beside it"}
	}
	// Whoever finds the lock taken reads here by whom.
	if err := errors.Join(f.Truncate(0), write(f, fmt.Sprintln(os.Getpid()))); err != nil {
		f.Close()
		return fail(err)
	}
	return func() { f.Close() }, nil
}

// openLock opens the file. One that root makes in the directory of a service's
// account is that account's, which could not take the lock otherwise.
func openLock(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, os.ErrExist) {
		return os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	}
	if err != nil || os.Geteuid() != 0 {
		return f, err
	}
	var owner syscall.Stat_t
	if syscall.Stat(dir, &owner) == nil {
		_ = f.Chown(int(owner.Uid), int(owner.Gid)) // the lock holds all the same
	}
	return f, nil
}

// ErrRunning is the cause of a Lock that is taken.
var ErrRunning = errors.New("another ecr-refreshd runs with it already")

func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// RuntimeDir is where the daemon of this user keeps what need not outlive it:
// where systemd's RuntimeDirectory= says, else where clients look for its socket.
func RuntimeDir() (string, error) {
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if dir, ok := credhelper.Own(os.Getenv, os.Geteuid()); ok {
		return dir, nil
	}
	return "", errors.New("neither $XDG_RUNTIME_DIR, $XDG_CACHE_HOME nor $HOME is set")
}
