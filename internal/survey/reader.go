package survey

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxFile    = 1 << 20 // bytes of a file that are worth reading
	maxEntries = 1000    // entries of a directory
)

// looker is one survey on its way.
type looker struct {
	Options
	s   *Survey
	all []Account // of passwd

	mentioned map[Place]int // registries that a file names
}

var (
	errOdd    = errors.New("is not a regular file")
	errLarge  = fmt.Errorf("has more than %d bytes", maxFile)
	errOwner  = errors.New("belongs to somebody else")
	errWeak   = errors.New("is not used: its account is neither in the group docker nor that of an agent's system unit")
	errHabits = fmt.Errorf("has more than %d logins, of which the others were left out", maxOfOne)
	errProc   = errors.New("cannot be opened without /proc")
	errMany   = fmt.Errorf("names more than %d registries, which were left out", maxMentions)
)

// missed notes what could not be read, unless it is just not there.
func (l *looker) missed(path string, err error) {
	var detail *fs.PathError
	why := err.Error()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return
	case errors.Is(err, fs.ErrPermission):
		why = "permission denied"
	case errors.As(err, &detail):
		why = detail.Err.Error()
	}
	if !slices.ContainsFunc(l.s.Unread, func(u Unread) bool { return u.Path == path }) {
		l.s.Unread = append(l.s.Unread, Unread{path, why})
	}
}

// at is a path of the host, as this process has it.
func (l *looker) at(path string) string { return filepath.Join(l.Root, path) }

func (l *looker) exists(path string) bool {
	_, err := os.Stat(l.at(path))
	return err == nil
}

// file reads a file of the system's, that is one whose way only root decides.
// Nil means that there is nothing to read.
func (l *looker) file(path string) []byte {
	f, err := openRegular(l.at(path))
	if err == nil {
		var data []byte
		if data, err = contents(f, nil); err == nil {
			return data
		}
	}
	l.missed(path, err)
	return nil
}

// openRegular opens a file to read it if it is a regular one. Opening a device may
// already do something, so it looks first, at what it then opens.
func openRegular(path string) (*os.File, error) {
	p, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	info, err := p.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errOdd
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", p.Fd()), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errProc
	}
	return f, err
}

// leftover is what editors and package managers keep of former files.
var leftover = regexp.MustCompile(`~$|\.dpkg-|\.rpm(new|orig|save)$`)

// list gives the paths in a directory of the system's, sorted, without leftovers.
func (l *looker) list(dir string) []string {
	d, err := os.Open(l.at(dir))
	if err == nil {
		defer d.Close()
		var names []string
		if names, err = d.Readdirnames(maxEntries); err == nil || errors.Is(err, io.EOF) {
			names = slices.DeleteFunc(names, leftover.MatchString)
			slices.Sort(names)
			for i, n := range names {
				names[i] = filepath.Join(dir, n)
			}
			return names
		}
	}
	l.missed(dir, err)
	return nil
}

// contents reads a regular file that may be owned by whom owners says, nil for
// anybody, and closes it. It does not wait for the other end of a FIFO, which
// O_NONBLOCK is for.
func contents(f *os.File, owners []int) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errOdd
	case info.Size() > maxFile:
		return nil, errLarge
	case owners != nil && !slices.Contains(owners, uidOf(info)):
		return nil, errOwner
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func uidOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// home is an account's, open. Reading stays in it: a link that leads out of it is
// refused, and so is a file of somebody else, for the account decides what lies
// there and must not have root read what it could not read itself.
type home struct {
	*looker
	Account
	root *os.Root
}

// open opens the home of an account; nil for one without a home of its own, as
// system accounts are.
func (l *looker) open(a Account) (*home, error) {
	if !filepath.IsAbs(a.Home) {
		return nil, nil
	}
	root, err := os.OpenRoot(l.at(a.Home))
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil || uidOf(info) != a.uid {
		_ = root.Close() // nothing was read
		return nil, err
	}
	return &home{l, a, root}, nil
}

func (h *home) close() { _ = h.root.Close() }

// shown is a path in the home, for people.
func (h *home) shown(name string) string { return "~" + h.Name + "/" + name }

// ownerOf is the account of a path that shown has made; empty for another.
func ownerOf(p Place) string {
	rest, inHome := strings.CutPrefix(p.Path, "~")
	name, _, _ := strings.Cut(rest, "/")
	if !inHome {
		return ""
	}
	return name
}

// file reads a file in the home. Nil means that there is nothing to read.
func (h *home) file(name string) []byte {
	f, err := h.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == nil {
		var data []byte
		if data, err = contents(f, []int{h.uid, 0}); err == nil {
			return data
		}
	}
	h.missed(h.shown(name), err)
	return nil
}

// list gives the names in a directory of the home, sorted.
func (h *home) list(dir string) []string {
	d, err := h.root.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		h.missed(h.shown(dir), err)
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxEntries) // what was read before an error counts
	slices.Sort(names)
	return names
}

// maxScript is the size of the largest file, in bytes, that can be a script
// among programs.
const maxScript = 64 << 10

// short reports whether a file of the system's may be a script, by its size.
func (l *looker) short(path string) bool {
	info, err := os.Stat(l.at(path))
	return err == nil && info.Mode().IsRegular() && info.Size() <= maxScript
}

// readableToAll reports whether anybody may read a file; who may pass the
// directories above it is not looked at.
func (l *looker) readableToAll(path string) bool {
	info, err := os.Stat(l.at(path))
	return err == nil && info.Mode()&0o004 != 0
}

// sorted gives the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
