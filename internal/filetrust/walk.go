package filetrust

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
)

// maxLinks is how many symbolic links Linux follows in one path.
const maxLinks = 40

// Place is where a path leads: a directory that is open, and a name in it.
type Place struct {
	FD   int    // the directory, open with O_PATH; the caller closes it
	Path string // of the directory, without links
	// Name is that of the last file, or of the first part of the path that is missing;
	// empty for a path that ends in the directory.
	Name     string
	Stat     *unix.Stat_t // of the file; nil without one
	Rest     int          // how many parts of the path come after Name
	FromLink bool         // Name comes out of a link's text
	// Shared is the *Error for a directory in which others could put entries of their
	// own, and which is sticky, so that they cannot touch what is there.
	Shared error
}

// Walk goes along an absolute path as the kernel would, one name at a time by open
// directories: what was looked at is what is entered, whoever renames meanwhile. It
// refuses directories and links on the way that others could change; the file itself is
// not judged. A link is never more than its text. The kernel itself takes those under
// /proc/self, which are this process's whoever acts, past directories that are closed to
// the caller. An error is an *Error or one of the file system. With fs.ErrNotExist there is
// a Place, too, for the part that is missing.
func (r Rule) Walk(path string) (Place, error) {
	w := &walk{Rule: r, Place: Place{FD: -1}, rest: split(path)}
	err := w.enter("/")
	if err == nil {
		err = w.run()
	} else {
		err = &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	w.Rest = len(w.rest)
	if err != nil && (w.Name == "" || !errors.Is(err, fs.ErrNotExist)) {
		w.close()
	}
	return w.Place, err
}

// Follow is Walk for the path without links. With an error that is fs.ErrNotExist, it
// ends with what is missing. The last part must not be changeable by others either unless
// it is a file: that is for Check.
func (r Rule) Follow(path string) (at string, err error) {
	p, err := r.Walk(path)
	_ = unix.Close(p.FD) // it was open for nothing but the way
	return filepath.Join(p.Path, p.Name), err
}

// walk is a Place on the way.
type walk struct {
	Rule
	Place
	rest   []string
	linked int // how many of rest, at its beginning, came out of links
	links  int
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

func (w *walk) close() {
	if w.FD >= 0 {
		_ = unix.Close(w.FD)
		w.FD = -1
	}
}

func (w *walk) run() error {
	for len(w.rest) > 0 {
		name := w.rest[0]
		w.rest = w.rest[1:]
		if w.FromLink = w.linked > 0; w.FromLink {
			w.linked--
		}
		err := w.enter(name)
		switch err {
		case nil:
			continue
		case unix.ENOTDIR, unix.ELOOP:
			if err := w.followOrEnd(name); err != nil || w.Name != "" {
				return err
			}
			continue
		case unix.ENOENT:
			w.Name = name
		}
		if refused := (*Error)(nil); errors.As(err, &refused) {
			return err
		}
		return &fs.PathError{Op: "open", Path: w.here(name), Err: err}
	}
	return nil
}

func (w *walk) here(name string) string { return filepath.Join(w.Path, name) } // right for .. too: there are no links in w.Path

// enter moves on into a directory, "/" being the root. What the kernel says of one
// that it cannot open is passed on as it is.
func (w *walk) enter(name string) error {
	fd, err := atfile.Open(w.FD, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	here := name
	if name != "/" {
		here = w.here(name)
	}
	shared, err := w.directory(here, fd)
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	w.close()
	w.FD, w.Path, w.Shared = fd, here, shared
	return nil
}

// followOrEnd deals with what is no directory: a link puts its target in front of
// w.rest, and a file has to be the end of the way.
func (w *walk) followOrEnd(name string) error {
	here := w.here(name)
	fd, err := atfile.Open(w.FD, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: here, Err: err}
	}
	defer unix.Close(fd)
	st := new(unix.Stat_t)
	if err := atfile.Stat(fd, st); err != nil {
		return &fs.PathError{Op: "stat", Path: here, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if len(w.rest) > 0 {
			return &fs.PathError{Op: "open", Path: here, Err: unix.ENOTDIR}
		}
		w.Name, w.Stat = name, st
		return nil
	}
	if !w.Lenient || w.Shared != nil {
		if err := w.Owner(here, st); err != nil {
			return err
		}
	}
	if w.links++; w.links > maxLinks {
		return &fs.PathError{Op: "follow", Path: here, Err: unix.ELOOP}
	}
	target, err := readlink(fd)
	if err != nil {
		return &fs.PathError{Op: "read link", Path: here, Err: err}
	}
	if strings.HasPrefix(target, "/") {
		if err := w.enter("/"); err != nil {
			return fmt.Errorf("follow %q: %w", here, err)
		}
	}
	ahead := split(target)
	w.linked += len(ahead)
	w.rest = append(ahead, w.rest...)
	return nil
}

// directory refuses one in which others may replace files that are not theirs.
// In a sticky one such as /tmp they may only add their own.
func (r Rule) directory(path string, fd int) (shared, err error) {
	var st unix.Stat_t
	if err := atfile.Stat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	err = r.mode(path, fd, &st)
	if refused := (*Error)(nil); errors.As(err, &refused) && st.Mode&unix.S_ISVTX != 0 {
		shared, err = err, nil
	}
	if r.Lenient {
		return shared, nil
	}
	if err := r.Owner(path, &st); err != nil {
		return nil, err
	}
	return shared, err
}

// readlink reads the link that fd is open for.
func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := 0, error(nil)
	err = atfile.Retry(func() error {
		n, err = unix.Readlinkat(fd, "", buf)
		return err
	})
	return string(buf[:max(n, 0)]), err
}
