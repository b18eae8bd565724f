package dockerconfig

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const maxLinks = 40 // as the kernel has it

// errNoParent: the directory in which ours would be made is not there.
var errNoParent = &problem{"its directory is not there", "{await parent}; if that is not where the file belongs, set {--file}"}

// walk is a way along a path, one name at a time by open directories: what was
// looked at is what is entered, whoever renames meanwhile. A link is never more than its
// text. The kernel itself takes those under /proc/self, which are this process's
// whoever acts, past directories that are closed to the account.
type walk struct {
	trust
	dirfd  int    // where it stands, open for nothing but the way on; -1 at first
	at     string // the path of dirfd, without links
	shared bool   // whether strangers may add entries of their own there
	rest   []string
	linked int // how many of rest, at its beginning, came out of links
	links  int
}

// find goes along path, which is absolute, as the kernel would: through links, in
// place of the file too, for replacing these would undo what a dotfile manager has
// set up. It gives the directory, open with O_PATH, and the name in it, which is
// that of a file or of nothing. With create, a missing last directory of the path
// is made, as docker makes it; the one above it never is. The error may be a
// *distrustError.
func (t trust) find(path string, create bool) (dirfd int, name string, err error) {
	w := &walk{trust: t, dirfd: -1, rest: names(path)}
	if err := w.enter("/"); err != nil {
		return -1, "", fmt.Errorf("open directory %q: %w", "/", err)
	}
	if name, err = w.run(create); err != nil {
		_ = unix.Close(w.dirfd)
		return -1, "", err
	}
	return w.dirfd, name, nil
}

// names splits a path.
func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func (w *walk) run(create bool) (name string, err error) {
	for len(w.rest) > 0 {
		name, w.rest = w.rest[0], w.rest[1:]
		fromLink := w.linked > 0
		if fromLink {
			w.linked--
		}
		err := w.enter(name)
		switch err {
		case nil:
			continue
		case unix.ENOTDIR, unix.ELOOP:
			if err := w.followOrEnd(name); err != nil {
				return "", err
			}
			if len(w.rest) == 0 {
				return name, nil
			}
			continue
		case unix.ENOENT:
		default:
			return "", fmt.Errorf("open directory %q: %w", w.here(name), err)
		}
		own := len(w.rest) - w.linked // names of the path itself that are still to come
		switch {
		case w.strict && w.shared:
			return "", &distrustError{w.here(name), 0, "is not there yet, and anybody could put it there"}
		case len(w.rest) == 0:
			return name, nil
		case create && own > 1:
			return "", errNoParent
		case !create || fromLink || own == 0:
			return "", fmt.Errorf("open directory %q: %w", w.here(name), err)
		}
		if err := unix.Mkdirat(w.dirfd, name, 0o700); err != nil && err != unix.EEXIST {
			return "", fmt.Errorf("make directory %q: %w", w.here(name), err)
		}
		w.rest, create = append([]string{name}, w.rest...), false
	}
	return "", errNotRegular // the way ends in a directory
}

func (w *walk) here(name string) string { return filepath.Join(w.at, name) } // right for .. too: there are no links in w.at

// enter moves on into a directory, "/" being the root. What the kernel says of one
// that it cannot open is passed on as it is.
func (w *walk) enter(name string) error {
	fd, err := openat(w.dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	here := name
	if name != "/" {
		here = w.here(name)
	}
	var st unix.Stat_t
	if err = fstat(fd, &st); err == nil {
		err = w.checkDirectory(here, &st)
	}
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	if w.dirfd >= 0 {
		_ = unix.Close(w.dirfd)
	}
	w.dirfd, w.at = fd, here
	w.shared = w.writableByStrangers(&st) && st.Mode&unix.S_ISVTX != 0
	return nil
}

// followOrEnd deals with what is no directory: a link puts its target in front of
// w.rest, and a file has to be the end of the way.
func (w *walk) followOrEnd(name string) error {
	here := w.here(name)
	var st unix.Stat_t
	if err := fstatat(w.dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat %q: %w", here, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if len(w.rest) > 0 {
			return fmt.Errorf("open directory %q: %w", here, unix.ENOTDIR)
		}
		return w.checkFile(here, &st)
	}
	if (w.strict || w.shared) && !w.trusts(st.Uid) {
		return belongsTo(here, st.Uid)
	}
	if w.links++; w.links > maxLinks {
		return fmt.Errorf("follow %q: %w", here, unix.ELOOP)
	}
	target, err := readlinkat(w.dirfd, name)
	if err != nil {
		return fmt.Errorf("read link %q: %w", here, err)
	}
	if strings.HasPrefix(target, "/") {
		if err := w.enter("/"); err != nil {
			return fmt.Errorf("open directory %q: %w", "/", err)
		}
	}
	ahead := names(target)
	w.linked += len(ahead)
	if w.rest = append(ahead, w.rest...); len(w.rest) == 0 {
		return errNotRegular // a link to the root
	}
	return nil
}
