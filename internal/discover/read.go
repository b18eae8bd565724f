package discover

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

var (
	errOdd   = errors.New("is not a regular file")
	errLarge = fmt.Errorf("has more than %d bytes", maxFile)
	errOwner = errors.New("belongs to somebody else")

	// leftover is what editors and package managers keep of former files.
	leftover = regexp.MustCompile(`~$|\.dpkg-|\.rpm(new|orig|save)$`)
)

// missed notes what could not be read, unless it is just not there.
func (h *host) missed(path string, err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return
	}
	why := err.Error()
	if detail := (*fs.PathError)(nil); errors.As(err, &detail) {
		why = detail.Err.Error()
	}
	if !slices.ContainsFunc(h.unread, func(u Finding) bool { return u.What == path }) {
		h.unread = append(h.unread, Finding{path, why})
	}
}

// at is a path of the host, as this process has it.
func (h *host) at(path string) string { return filepath.Join(h.Root, path) }

func (h *host) there(path string) bool {
	_, err := os.Stat(h.at(path))
	return err == nil
}

// tree is where files are read: the system's, whose way only root decides, or those
// of a home. Reading a home stays in it: a link that leads out of it is refused, and
// so is a file of somebody else, for the account decides what lies there and must
// not have root read what it could not read itself. Paths begin with /, which is
// the home in a home.
type tree struct {
	*host
	owner *account // nil for the system
	root  *os.Root // of the home
}

func (h *host) system() *tree { return &tree{host: h} }

// home opens the home of an account; nil for one without a home of its own, as
// system accounts are.
func (h *host) home(a *account) (*tree, error) {
	if !filepath.IsAbs(a.Home) {
		return nil, nil
	}
	root, err := os.OpenRoot(h.at(a.Home))
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil || uidOf(info) != a.UID {
		_ = root.Close() // nothing was read
		return nil, err
	}
	return &tree{h, a, root}, nil
}

func (t *tree) close() { _ = t.root.Close() } // nothing was written

func uidOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// shown is a path for people.
func (t *tree) shown(path string) string {
	if t.owner == nil {
		return path
	}
	return "~" + t.owner.Name + path
}

// open does not wait for the other end of a FIFO, and opens no device of the
// system's, which may already do something: it looks first, at what it then opens.
func (t *tree) open(path string, flag int) (*os.File, error) {
	if t.owner != nil {
		return t.root.OpenFile(filepath.Join(".", path), os.O_RDONLY|unix.O_NONBLOCK|flag, 0)
	}
	p, err := os.OpenFile(t.at(path), unix.O_PATH|flag, 0)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	info, err := p.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, errOdd
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", p.Fd()))
}

// read reads a file. Empty means that there is nothing to read; so is a program.
func (t *tree) read(path string) string {
	data, err := t.contents(path)
	t.missed(t.shown(path), err)
	return string(data)
}

func (t *tree) contents(path string) ([]byte, error) {
	f, err := t.open(path, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errOdd
	}
	if t.owner != nil && uidOf(info) != t.owner.UID && uidOf(info) != 0 {
		return nil, errOwner
	}
	head := make([]byte, 512)
	n, _ := f.ReadAt(head, 0) // an error comes again below
	if slices.Contains(head[:n], 0) {
		return nil, nil
	}
	if info.Size() > maxFile {
		return nil, errLarge
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// list returns the paths in a directory, sorted, without leftovers.
func (t *tree) list(dir string) []string {
	d, err := t.open(dir, unix.O_DIRECTORY)
	if err != nil {
		t.missed(t.shown(dir), err)
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxEntries) // what was read before an error counts
	names = slices.DeleteFunc(names, leftover.MatchString)
	slices.Sort(names)
	for i, n := range names {
		names[i] = strings.TrimSuffix(dir, "/") + "/" + n
	}
	return names
}
