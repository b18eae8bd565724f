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
	"ecr-refreshd/internal/trust"
)

var (
	errNotSocket  = errors.New("there is something that is not a socket")
	errSwapped    = errors.New("somebody has put something else in the place of the new socket")
	errNotAPath   = errors.New("not an absolute path in its shortest form")
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
// in is the socket's own business. A directory that others may write, or lead
// elsewhere, is refused: they could put something else in the place of what is
// made there, and answer for the daemon. One that is sticky, such as /tmp, will
// do: there others can neither rename nor remove what is not theirs.
func openDir(dir string) (int, error) {
	rule := onlyOurs()
	parent, err := rule.Follow(filepath.Dir(dir))
	if err != nil {
		return -1, fmt.Errorf("look at the directory: %w", err)
	}
	at := filepath.Join(parent, filepath.Base(dir))
	err = os.Mkdir(at, 0o755)
	made := err == nil
	if !made && !errors.Is(err, fs.ErrExist) {
		return -1, fmt.Errorf("make the directory: %w", err)
	}
	if at, err = rule.Follow(at); err != nil {
		return -1, fmt.Errorf("look at the directory: %w", err)
	}
	fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open directory %q: %w", at, err)
	}
	if made { // whatever the umask
		if err := unix.Chmod(descriptor(fd), 0o755); err != nil {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("change the mode of the new directory: %w", err)
		}
	}
	return fd, nil
}

// onlyOurs is who may have a say in where the socket is: root, and the user of
// this process. A user's own group is no more than the user, as for most of them
// the umask lets it write.
func onlyOurs() trust.Rule {
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	return trust.Rule{
		What:   "what is at the socket's path",
		Owners: []uint32{uid, 0},
		Group:  func(group, _ uint32) bool { return group == 0 || group == gid && uid != 0 },
	}
}

// descriptor names the file that fd is open for, whatever has become of its path.
func descriptor(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

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
	var refused *trust.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("run `%s`, or set socket.path to where only root and the user of ecr-refreshd may write", refused.Fix)
	case errors.Is(err, ErrInUse):
		return "stop the other one, or set socket.path to another path"
	case errors.Is(err, errNotSocket):
		return fmt.Sprintf("look at it with `ls -l %s`; move it away, or set socket.path to another path", path)
	case errors.Is(err, errSwapped):
		return fmt.Sprintf("find out with `ls -ld %s` who may write there, or set socket.path to another directory", filepath.Dir(path))
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
