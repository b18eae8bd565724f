package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/peerauth"
)

var (
	errNotSocket  = errors.New("there is something that is not a socket")
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

// makeDir makes the directory dir when it is all that is missing. Clients of every
// user must be able to pass it; whom the socket lets in is the socket's own
// business. A directory that others may write, or lead elsewhere, is refused: they
// could put something else in the place of what is made there, and answer for the
// daemon. One that is sticky, such as /tmp, will do: there others can neither
// rename nor remove what is not theirs.
func makeDir(dir string) error {
	rule := onlyOurs()
	parent, err := rule.Follow(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("look at the directory: %w", err)
	}
	at := filepath.Join(parent, filepath.Base(dir))
	err = os.Mkdir(at, 0o755)
	if err == nil {
		err = os.Chmod(at, 0o755) // whatever the umask
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the directory: %w", err)
	}
	if _, err := rule.Follow(at); err != nil {
		return fmt.Errorf("look at the directory: %w", err)
	}
	return nil
}

// onlyOurs is who may have a say in where the socket is: root, and the user of
// this process. A user's own group is no more than the user, as for most of them
// the umask lets it write.
func onlyOurs() filetrust.Rule {
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	return filetrust.Rule{
		What:   "what is at the socket's path",
		Owners: []uint32{uid, 0},
		Group:  func(group, _ uint32) bool { return group == 0 || group == gid && uid != 0 },
	}
}

// makeWay removes a socket at path at which nobody answers. Anything else there is
// an error.
func makeWay(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for an older socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return errNotSocket
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		defer func() { _ = c.Close() }()
		if p, err := peerauth.PeerOf(c.(*net.UnixConn)); err == nil {
			return fmt.Errorf("%w by %s", ErrInUse, p)
		}
		return ErrInUse
	case errors.Is(err, unix.EAGAIN): // somebody listens, and too many wait
		return ErrInUse
	case !errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("find out who answers at the older socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the older socket: %w", err)
	}
	return nil
}

// listenHint says what a person can do.
func listenHint(err error, path, group string) string {
	var refused *filetrust.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("run `%s`, or set socket.path to where only root and the user of ecr-refreshd may write", refused.Fix)
	case errors.Is(err, ErrInUse):
		return "stop the other one, or set socket.path to another path"
	case errors.Is(err, errNotSocket):
		return fmt.Sprintf("look at it with `ls -l %s`; move it away, or set socket.path to another path", path)
	case errors.Is(err, errNotAPath), errors.Is(err, errPathLength):
		return "set socket.path to a path such as /run/ecr-refreshd/ecr-refreshd.sock"
	case errors.Is(err, osuser.ErrUnknown):
		return fmt.Sprintf("look for the group with `getent group %s`; make it with `groupadd --system %s`, or set socket.group to another", group, group)
	case errors.Is(err, fs.ErrPermission) && group != "":
		return fmt.Sprintf("let ecr-refreshd write in %q and be a member of group %q, or set socket.path and socket.group to what it may use",
			filepath.Dir(path), group)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Sprintf("let ecr-refreshd write in %q, or set socket.path to where it may", filepath.Dir(path))
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Sprintf("look with `namei -m %s` for what is no directory, or set socket.path to another path", path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("make the directory %q, or set socket.path to another path", filepath.Dir(filepath.Dir(path)))
	}
	return ""
}
