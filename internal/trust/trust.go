// Package trust decides whether somebody who must not could change a file: by
// its owner, mode and access control list, and by those of every directory and
// symbolic link on the way to it. It opens regular files and nothing else.
//
// It knows neither what the files are for nor what to do about a refusal, save
// the command that mends the one it names.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links Linux follows in one path.
const maxLinks = 40

// ErrNotRegular is the error of Open for what is there and no regular file.
var ErrNotRegular = errors.New("is not a regular file")

// Rule says who may be able to change a file. Safe for concurrent use.
type Rule struct {
	// What the files decide, for the errors: "could change WHAT".
	What string
	// Owners are the uids that files, directories and links may belong to. The
	// first is whom an Error's Fix gives them to.
	Owners []uint32
	// Group reports whether the group gid may write what belongs to owner. Nil
	// means that no group may.
	Group func(gid, owner uint32) bool
}

// Error names the file, directory or link that somebody else could change.
type Error struct {
	Path string
	UID  uint32      // its owner
	Mode fs.FileMode // its permissions
	Fix  string      // the command that mends it
	text string
}

// Error tells the path, its mode, the owner where it is the trouble, and not the fix.
func (e *Error) Error() string { return e.text }

// Follow walks an absolute path as the kernel would and refuses directories and
// links on the way that others could change, and the last element too unless it
// is a file: that is for Check. It gives the path without links. The error is an
// *Error, or one of the file system; where that is fs.ErrNotExist, the path ends
// with what is missing.
func (r Rule) Follow(path string) (at string, err error) {
	at = "/"
	if err := r.directory(at); err != nil {
		return at, err
	}
	links := 0
	for rest := split(path); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name) // ".." is right here, as at has no links
		info, err := os.Lstat(next)
		if err != nil {
			return next, err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return at, &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
			}
			if err := r.owner(next, info); err != nil {
				return at, err
			}
			to, err := os.Readlink(next)
			if err != nil {
				return at, err
			}
			if filepath.IsAbs(to) {
				at = "/" // which was looked at first of all
			}
			rest = append(split(to), rest...)
		case len(rest) > 0 || info.IsDir():
			at = next
			if err := r.directory(at); err != nil {
				return at, err
			}
		default:
			at = next
		}
	}
	return at, nil
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// directory refuses one in which others may replace files that are not theirs.
// In a sticky one such as /tmp they may only add their own.
func (r Rule) directory(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
	}
	if err := r.owner(path, info); err != nil {
		return err
	}
	err = r.mode(path, info)
	if refused := (*Error)(nil); info.Mode()&fs.ModeSticky != 0 && errors.As(err, &refused) {
		return nil
	}
	return err
}

// Check refuses what is at path, and as info says, if others could change it.
// The error is an *Error, or one of the file system.
func (r Rule) Check(path string, info fs.FileInfo) error {
	if err := r.owner(path, info); err != nil {
		return err
	}
	return r.mode(path, info)
}

func (r Rule) owner(path string, info fs.FileInfo) error {
	uid, _ := ids(info)
	if slices.Contains(r.Owners, uid) {
		return nil
	}
	return r.refuse(path, info, fmt.Sprintf("belongs to uid %d (mode %04o), who", uid, info.Mode().Perm()),
		fmt.Sprintf("chown -h %d %q", r.Owners[0], path))
}

// mode looks at access control lists only where the group may write: the bits
// of the group are the most that an entry of a list can give.
func (r Rule) mode(path string, info fs.FileInfo) error {
	const groupWrite, othersWrite = 0o020, 0o002
	uid, gid := ids(info)
	has := fmt.Sprintf("has mode %04o, so that ", info.Mode().Perm())
	if info.Mode()&othersWrite != 0 {
		return r.refuse(path, info, has+"anybody", fmt.Sprintf("chmod go-w %q", path))
	}
	if info.Mode()&groupWrite == 0 {
		return nil
	}
	listed, err := hasACL(path)
	switch {
	case err != nil:
		return err
	case listed:
		return r.refuse(path, info, has+"those whom its access control list names (see getfacl)", fmt.Sprintf("setfacl -b %q", path))
	case r.Group == nil || !r.Group(gid, uid):
		return r.refuse(path, info, fmt.Sprintf("%sthe group %d", has, gid), fmt.Sprintf("chmod g-w %q", path))
	}
	return nil
}

func (r Rule) refuse(path string, info fs.FileInfo, who, fix string) *Error {
	uid, _ := ids(info)
	return &Error{Path: path, UID: uid, Mode: info.Mode().Perm(), Fix: fix,
		text: fmt.Sprintf("%q %s could change %s", path, who, r.What)}
}

// hasACL reports whether there is more to the permissions of path than its mode.
func hasACL(path string) (bool, error) {
	_, err := unix.Lgetxattr(path, "system.posix_acl_access", nil)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP):
		return false, nil
	}
	return false, &fs.PathError{Op: "get the access control list", Path: path, Err: err}
}

func ids(info fs.FileInfo) (uid, gid uint32) {
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid
}
