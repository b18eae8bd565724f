package dockerconfig

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const maxLinks = 40 // as the kernel has it

// distrustError names the directory or link by which somebody else than root could
// lead root elsewhere.
type distrustError struct {
	path  string
	owner uint32
	why   string
}

func (e *distrustError) Error() string { return fmt.Sprintf("%q %s", e.path, e.why) }

// checkRootOnly walks path as the kernel would, through links, and returns a
// *distrustError when anybody but root could change where it leads: root must not
// write there with its own rights. What is missing at the end is no error.
//
// In a shared directory such as /tmp, where each may delete only what is his, an
// entry that belongs to root can be relied on; the file itself cannot be there, for
// others could put their own beside it.
func checkRootOnly(path string) error {
	at := "/"
	shared, err := enterRootOnly(at)
	rest := strings.Split(path, "/")
	for links := 0; err == nil && len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		here := filepath.Join(at, name) // right for .. too, for at has no links in it
		var st unix.Stat_t
		switch err := lstat(here, &st); {
		case err == unix.ENOENT && shared:
			return &distrustError{here, 0, "is not there yet, and anybody could put it there"}
		case err == unix.ENOENT:
			return nil
		case err != nil:
			return fmt.Errorf("stat %q: %w", here, err)
		case st.Uid != 0:
			return &distrustError{here, st.Uid, fmt.Sprintf("belongs to the user with id %d", st.Uid)}
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			at = here
			shared, err = enterRootOnly(at)
		case unix.S_IFLNK:
			if links++; links > maxLinks {
				return fmt.Errorf("follow %q: %w", path, unix.ELOOP)
			}
			target, linkErr := readlinkat(unix.AT_FDCWD, here)
			if linkErr != nil {
				return fmt.Errorf("read link %q: %w", here, linkErr)
			}
			if strings.HasPrefix(target, "/") {
				at = "/"
				shared, err = enterRootOnly(at)
			}
			rest = append(strings.Split(target, "/"), rest...)
		default:
			if shared {
				return &distrustError{at, 0, "can be written by others than root"}
			}
			return nil
		}
	}
	return err
}

// enterRootOnly looks at a directory that belongs to root. The error is a
// *distrustError when others may change its entries; shared means that they may
// add their own.
func enterRootOnly(dir string) (shared bool, err error) {
	var st unix.Stat_t
	if err := lstat(dir, &st); err != nil {
		return false, fmt.Errorf("stat %q: %w", dir, err)
	}
	writable := st.Mode&0o022 != 0
	shared = writable && st.Mode&unix.S_ISVTX != 0
	if writable && !shared {
		return false, &distrustError{dir, 0, "can be written by others than root"}
	}
	return shared, nil
}

func lstat(path string, st *unix.Stat_t) error {
	return ignoringEINTR(func() error { return unix.Lstat(path, st) })
}
