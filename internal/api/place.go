package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/access"
	"ecr-refreshd/internal/account"
)

var (
	errNotSocket  = errors.New("there is something that is not a socket")
	errNotAPath   = errors.New("not an absolute path without . and ..")
	errPathLength = fmt.Errorf("the path is longer than the %d bytes that a Unix socket may have", maxSocketPath)
)

func checkPath(path string) error {
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0):
		return errNotAPath
	case len(path) > maxSocketPath:
		return errPathLength
	}
	return nil
}

// openDir opens the directory dir, and makes it first when it is all that is
// missing. Clients of every user must be able to pass it; whom the socket lets
// in is the socket's own business.
func openDir(dir string) (int, error) {
	switch err := os.Mkdir(dir, 0o755); {
	case err == nil: // whatever the umask
		if err := os.Chmod(dir, 0o755); err != nil {
			return -1, fmt.Errorf("change the mode of the new directory: %w", err)
		}
	case !errors.Is(err, fs.ErrExist):
		return -1, fmt.Errorf("make the directory: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open directory %q: %w", dir, err)
	}
	return fd, nil
}

// makeWay gives nil when a socket may be put at name in dir: nothing is there, or
// a socket at which nobody answers.
func makeWay(dir int, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("look for an older socket: %w", err)
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errNotSocket
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make a socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer func() { _ = file.Close() }()
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: through(dir, name)})
	switch {
	case err == nil:
		return fmt.Errorf("%w%s", ErrInUse, by(file))
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EAGAIN): // somebody listens, and too many wait
		return ErrInUse
	}
	return fmt.Errorf("find out who answers at the older socket: %w", err)
}

// by names who listens at the other end, where that can be found out.
func by(connected *os.File) string {
	c, err := net.FileConn(connected)
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ""
	}
	p, err := access.PeerOf(u)
	if err != nil {
		return ""
	}
	return " by " + p.String()
}

// listenHint says what a person can do.
func listenHint(err error, path, group string) string {
	switch {
	case errors.Is(err, ErrInUse):
		return "stop the other one, or set socket.path to another path"
	case errors.Is(err, errNotSocket):
		return fmt.Sprintf("look at it with `ls -l %s`; move it away, or set socket.path to another path", path)
	case errors.Is(err, errNotAPath), errors.Is(err, errPathLength):
		return "set socket.path to a path such as /run/ecr-refreshd/ecr-refreshd.sock"
	case errors.Is(err, account.ErrUnknown):
		return fmt.Sprintf("look for the group with `getent group %s`; make it with `groupadd --system %s`, or set socket.group to another", group, group)
	case errors.Is(err, fs.ErrPermission) && group != "":
		return fmt.Sprintf("let ecr-refreshd write in %q and be a member of group %q, or set socket.path and socket.group to what it may use",
			filepath.Dir(path), group)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Sprintf("let ecr-refreshd write in %q, or set socket.path to where it may", filepath.Dir(path))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("make the directory %q, or set socket.path to another path", filepath.Dir(filepath.Dir(path)))
	}
	return ""
}
