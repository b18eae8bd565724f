package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/fault"
)

// Lock makes sure that one daemon alone runs with a configuration or a socket: two
// would undo each other's logins for ever. The locks are flocks on files in dir,
// which is made if it is not there and which only its owner may write, and they end
// with the process, however that ends. An error of reason fault.Local that Is
// ErrRunning means that another one runs.
func Lock(dir string, c *config.Config) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, cannotLock(dir, err)
	}
	var held []*os.File
	release = func() {
		for _, f := range held {
			f.Close()
		}
	}
	for _, what := range exclusive(c) {
		f, err := lock(dir, c, what)
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, f)
	}
	return release, nil
}

// exclusive names what only one daemon may have: the configuration, under whatever name
// it was given, and the socket.
func exclusive(c *config.Config) []string {
	path := c.Path
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	all := []string{path}
	var st syscall.Stat_t
	if syscall.Stat(path, &st) == nil { // hard links
		all = append(all, fmt.Sprintf("file %d:%d", st.Dev, st.Ino))
	}
	if socket, err := socketPath(c); err == nil {
		all = append(all, "socket "+socket)
	}
	return all
}

// cannotLock is the error where the lock cannot be made.
func cannotLock(name string, err error) error {
	return &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("lock %q", name), Err: err,
		Hint: "make it writable for this user, or set $XDG_RUNTIME_DIR"}
}

// lock takes the lock on one of the things that only one daemon may have.
func lock(dir string, c *config.Config, what string) (*os.File, error) {
	sum := sha256.Sum256([]byte(what))
	name := filepath.Join(dir, fmt.Sprintf("%x.lock", sum[:8]))
	f, err := openLock(dir, name)
	if err != nil {
		return nil, cannotLock(name, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, cannotLock(name, err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, alreadyRunning(c, "process "+strings.TrimSpace(string(pid)))
	}
	// Whoever finds the lock taken reads here by whom.
	if err := errors.Join(f.Truncate(0), write(f, fmt.Sprintln(os.Getpid()))); err != nil {
		f.Close()
		return nil, cannotLock(name, err)
	}
	return f, nil
}

// answering bounds the question whether a daemon answers.
const answering = 2 * time.Second

// Alone reports another daemon that answers at the socket of c, though no lock told
// of it: somebody may have removed the lock's file. Its error is as that of Lock. Do
// not ask where the service manager listens for this process.
func Alone(ctx context.Context, c *config.Config) error {
	socket, err := socketPath(c)
	if err != nil {
		return nil // nobody can answer there
	}
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	if _, err := api.Dial([]string{socket}).Status(ctx); err != nil {
		return nil
	}
	return alreadyRunning(c, fmt.Sprintf("the one that answers at %q", socket))
}

func alreadyRunning(c *config.Config, how string) error {
	return &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("run with %q", c.Path), Err: fmt.Errorf("%w, as %s", ErrRunning, how),
		Hint: "`systemctl status ecr-refreshd` shows it; `ecr-refreshd once` may run beside it"}
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

// ErrRunning is the cause of the error where another daemon runs.
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
