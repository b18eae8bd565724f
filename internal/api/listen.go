package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/osuser"
)

// ErrInUse says that something answers at the path already.
var ErrInUse = errors.New("in use")

// maxSocketPath is what the kernel takes for the path of a Unix socket, in bytes.
const maxSocketPath = 107

// backlog is how many connections may wait to be accepted; the kernel lowers it to
// net.core.somaxconn.
const backlog = 4096

// Listener listens at a path of its own. Safe for concurrent use.
type Listener struct {
	*net.UnixListener
	path  string
	file  identity
	close func() error
}

// identity tells the file that was made here from another that took its name.
type identity struct{ dev, ino uint64 }

// Listen makes a socket at path, which is absolute, with the group (a name or a
// number, "" for the process's own) and mode. At no moment may anybody connect
// whom these do not let in. A socket at path at which nobody answers is replaced;
// anything else there is left alone. The directory is made, open to all, when
// only it is missing; one in which others could replace the socket is refused.
// The error is a *fault.Error of reason local; it wraps ErrInUse when somebody
// answers at path.
func Listen(ctx context.Context, path, group string, mode fs.FileMode) (*Listener, error) {
	l, err := listen(ctx, path, group, mode)
	if err != nil {
		return nil, &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("listen at %q", path), Err: err, Hint: listenHint(err, path, group)}
	}
	return l, nil
}

func listen(ctx context.Context, path, group string, mode fs.FileMode) (*Listener, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	gid := -1
	if group != "" {
		var err error
		if gid, err = osuser.Group(ctx, group); err != nil {
			return nil, err
		}
	}
	// From here on nobody else can change what the path leads to.
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := makeWay(ctx, path); err != nil {
		return nil, err
	}
	l, err := bindClosed(ctx, path)
	if err != nil {
		return nil, err
	}
	made := &Listener{UnixListener: l, path: path}
	made.close = sync.OnceValue(made.end)
	if made.file, err = openTo(path, gid, mode); err != nil {
		return nil, errors.Join(err, os.Remove(path), l.Close())
	}
	return made, nil
}

// bindClosed listens at path, to which nobody but root may connect yet: Linux gives
// the file the mode that the socket has when it is bound, less the umask.
func bindClosed(ctx context.Context, path string) (*net.UnixListener, error) {
	closed := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0) }), err)
	}}
	l, err := closed.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false) // it may be another's by then
	// Package net takes 128 for the backlog where it cannot read /proc/sys, as in a sandbox.
	if raw, err := u.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), backlog) })
	}
	return u, nil
}

// openTo gives the new socket at path to gid and mode.
func openTo(path string, gid int, mode fs.FileMode) (identity, error) {
	if err := os.Lchown(path, -1, gid); err != nil {
		return identity{}, fmt.Errorf("give the socket to group %d: %w", gid, err)
	}
	if err := os.Chmod(path, mode.Perm()); err != nil {
		return identity{}, fmt.Errorf("change the mode of the socket: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return identity{}, fmt.Errorf("look at the socket: %w", err)
	}
	return identityOf(&st), nil
}

func identityOf(st *unix.Stat_t) identity { return identity{uint64(st.Dev), st.Ino} }

// Addr gives the path; the kernel only knows the name at which it was made.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Ours reports whether clients that go to the path come here: somebody may have
// removed the socket, or put another in its place.
func (l *Listener) Ours() bool {
	var st unix.Stat_t
	err := unix.Lstat(l.path, &st)
	return err == nil && identityOf(&st) == l.file
}

// Close stops listening and removes the socket if it is still ours.
func (l *Listener) Close() error { return l.close() }

func (l *Listener) end() error {
	var removed error
	if l.Ours() {
		if err := unix.Unlink(l.path); err != nil && !errors.Is(err, unix.ENOENT) {
			removed = fmt.Errorf("remove %q: %w", l.path, err)
		}
	}
	return errors.Join(removed, l.UnixListener.Close())
}
