// Package filetrust decides whether somebody who must not could change a file: by
// its owner, mode and access control list, and by those of every directory and
// symbolic link on the way to it. It opens regular files and nothing else.
//
// It knows neither what the files are for nor what to do about a refusal, save
// the command that fixes the one it names.
package filetrust

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
	"ecr-refreshd/internal/shell"
)

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
	// Lenient refuses nothing but others' links in a shared directory: for a process
	// that is no more than the user who started it.
	Lenient bool
}

// Error names the file, directory or link that somebody else could change.
type Error struct {
	Path string
	UID  uint32      // its owner
	Mode fs.FileMode // its permissions
	Fix  string      // the command that fixes it, for a shell
	text string
}

// Cure says how to fix what stands on the way to path, as it was asked for: by the command, unless
// a symbolic link has led elsewhere, of which whoever made the link is not to decide.
func (e *Error) Cure(path string) string {
	if strings.HasPrefix(filepath.Clean(path)+"/", strings.TrimSuffix(e.Path, "/")+"/") {
		return "run `" + e.Fix + "`"
	}
	return "correct the symbolic link that leads to " + shell.Quote(e.Path)
}

// Error tells the path, its mode, the owner where it is the trouble, and not the fix.
func (e *Error) Error() string { return e.text }

// Check refuses what fd is open for, which path names, if others could change it. The
// error is an *Error, or one of the file system.
func (r Rule) Check(path string, fd int) error {
	var st unix.Stat_t
	if err := atfile.Stat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if err := r.Owner(path, &st); err != nil {
		return err
	}
	return r.mode(path, fd, &st)
}

// Owner refuses what belongs to others.
func (r Rule) Owner(path string, st *unix.Stat_t) error {
	if slices.Contains(r.Owners, st.Uid) {
		return nil
	}
	return r.refuse(path, st, fmt.Sprintf("belongs to uid %d (mode %04o), who", st.Uid, st.Mode&0o777),
		fmt.Sprintf("chown -h %d %s", r.Owners[0], shell.Quote(path)))
}

// mode looks at access control lists only where the group may write: the bits
// of the group are the most that an entry of a list can give.
func (r Rule) mode(path string, fd int, st *unix.Stat_t) error {
	const groupWrite, othersWrite = 0o020, 0o002
	has := fmt.Sprintf("has mode %04o, so that ", st.Mode&0o777)
	if st.Mode&othersWrite != 0 {
		return r.refuse(path, st, has+"anybody", "chmod go-w "+shell.Quote(path))
	}
	if st.Mode&groupWrite == 0 {
		return nil
	}
	listed, err := hasACL(path, fd)
	switch {
	case err != nil:
		return err
	case listed:
		return r.refuse(path, st, has+"those whom its access control list names (see getfacl)", "setfacl -b "+shell.Quote(path))
	case r.Group == nil || !r.Group(st.Gid, st.Uid):
		return r.refuse(path, st, fmt.Sprintf("%sthe group %d", has, st.Gid), "chmod g-w "+shell.Quote(path))
	}
	return nil
}

func (r Rule) refuse(path string, st *unix.Stat_t, who, fix string) *Error {
	return &Error{Path: path, UID: st.Uid, Mode: fs.FileMode(st.Mode & 0o777), Fix: fix,
		text: fmt.Sprintf("%q %s could change %s", path, who, r.What)}
}

// hasACL reports whether there is more to the permissions of what fd is open for than
// its mode. The name in /proc serves a descriptor of O_PATH too.
func hasACL(path string, fd int) (bool, error) {
	_, err := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", fd), "system.posix_acl_access", nil)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP):
		return false, nil
	}
	return false, &fs.PathError{Op: "get the access control list", Path: path, Err: err}
}
