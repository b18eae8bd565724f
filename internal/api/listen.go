package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/account"
	"ecr-refreshd/internal/fault"
)

// ErrInUse says that something answers at the path already.
var ErrInUse = errors.New("in use")

const (
	// maxSocketPath is what the kernel takes for the path of a Unix socket, in bytes.
	maxSocketPath = 107
	// backlog is how many connections may wait to be accepted; the kernel lowers it
	// to net.core.somaxconn.
	backlog = 4096
)

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
		if gid, err = account.Group(ctx, group); err != nil {
			return nil, err
		}
	}
	dir, err := openDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(dir) }()
	name := filepath.Base(path)
	if err := makeWay(dir, name); err != nil {
		return nil, err
	}
	// The temporary name is in the same directory and always short enough.
	temporary := ".ecr-refreshd-" + rand.Text()
	l, file, err := bind(dir, temporary, gid, mode)
	if err == nil {
		if err = unix.Renameat(dir, temporary, dir, name); err != nil {
			_ = l.Close()
			err = fmt.Errorf("rename the socket: %w", err)
		}
	}
	if err != nil {
		_ = unix.Unlinkat(dir, temporary, 0)
		return nil, err
	}
	made := &Listener{UnixListener: l, path: path, file: file}
	made.close = sync.OnceValue(made.end)
	return made, nil
}

// bind makes a listening socket called name in dir that has gid and mode before
// anybody may connect.
func bind(dir int, name string, gid int, mode fs.FileMode) (*net.UnixListener, identity, error) {
	file, err := bindClosed(dir, name)
	if err != nil {
		return nil, identity{}, err
	}
	defer func() { _ = file.Close() }() // net.FileListener takes a copy
	made, err := openTo(dir, name, gid, mode)
	if err != nil {
		return nil, identity{}, err
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, identity{}, fmt.Errorf("listen: %w", err)
	}
	return l.(*net.UnixListener), made, nil
}

// openTo gives the new socket called name in dir to gid and mode. It does so by a
// descriptor of what it has looked at: whatever takes the name meanwhile is left
// as it is.
func openTo(dir int, name string, gid int, mode fs.FileMode) (identity, error) {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return identity{}, fmt.Errorf("open the socket's file: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return identity{}, fmt.Errorf("look at the socket: %w", err)
	}
	if st.Mode != unix.S_IFSOCK || int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		return identity{}, errSwapped
	}
	if gid >= 0 {
		if err := unix.Fchownat(fd, "", -1, gid, unix.AT_EMPTY_PATH); err != nil {
			return identity{}, fmt.Errorf("give the socket to group %d: %w", gid, err)
		}
	}
	if err := unix.Chmod(descriptor(fd), uint32(mode.Perm())); err != nil {
		return identity{}, fmt.Errorf("change the mode of the socket: %w", err)
	}
	return identityOf(&st), nil
}

// bindClosed makes a listening socket called name in dir to which nobody but root
// may connect yet: Linux gives the file the mode that the socket has when it is
// bound, less the umask.
func bindClosed(dir int, name string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "socket")
	if err = unix.Fchmod(fd, 0); err != nil {
		err = fmt.Errorf("change the mode of a new socket: %w", err)
	} else if err = unix.Bind(fd, &unix.SockaddrUnix{Name: through(dir, name)}); err != nil {
		err = fmt.Errorf("bind a socket: %w", err)
	} else if err = unix.Listen(fd, backlog); err != nil {
		err = fmt.Errorf("listen: %w", err)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// through names a file of an open directory in few bytes, however deep that lies.
func through(dir int, name string) string { return descriptor(dir) + "/" + name }

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
