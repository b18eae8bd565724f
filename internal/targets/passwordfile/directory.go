package passwordfile

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/osuser"
)

// directory is that of the files, held open: one that is swapped meanwhile changes nothing.
type directory struct {
	fd      int
	uid     int // that files are given to; -1: they belong to whoever writes
	gid     int // likewise
	mode    uint32
	trusted func(*unix.Stat_t) bool // nobody but those that may have written the file can change it
}

const (
	maxSize = 8 << 20 // bytes of a file; a login takes up to 14 kB
	// maxParts is how many lines, or members of its JSON objects, a file may have: taken apart, each
	// costs many times its size.
	maxParts = 20_000
)

var errTooLarge = &problem{fmt.Sprintf("more than %d MiB, or than %d lines or members", maxSize>>20, maxParts), "see what has filled {path}, and put it aside: mv {path} {path}.old"}

// fingerprint changes whenever a file's content, owner or mode does, save for a write in the same
// tick of the file system's clock.
type fingerprint struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

func fingerprintOf(st *unix.Stat_t) fingerprint {
	return fingerprint{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
}

// file is a reading of one; the zero value is of none.
type file struct {
	content []byte // nothing, where others could have written it
	denied  bool   // there is something that cannot be read
	stat    unix.Stat_t
	fingerprint
}

// visit runs f in the directory: as this process, or with the rights of the files' owner where
// the directory, or one on the way, is that account's. Without create, a directory that is not
// there is no error: there is nothing in it, and f does not run.
func (t *Target) visit(ctx context.Context, create bool, f func(*directory) error) error {
	who, err := t.who(ctx)
	if err != nil {
		return err
	}
	self := uint32(os.Geteuid())
	other := who.Account != nil && who.UID != int(self)
	rule := filetrust.Rule{What: "where the password goes", Owners: []uint32{self, 0}, Lenient: self != 0 && !other}
	attempt := func(rule filetrust.Rule, as *osuser.Account) (entered bool, err error) {
		err = osuser.As(as, func() error {
			fd, err := enter(rule, t.dir, create)
			if err != nil {
				return err
			}
			entered = true
			defer unix.Close(fd) // nothing was written by it
			d := &directory{fd: fd, uid: -1, gid: who.gid, mode: uint32(t.Mode), trusted: func(st *unix.Stat_t) bool {
				const othersWrite = 0o022
				return st.Mode&othersWrite == 0 && (rule.Owner("", st) == nil || who.Account != nil && st.Uid == uint32(who.UID))
			}}
			if other && as == nil {
				d.uid = who.UID
			}
			if !t.swept {
				t.swept = true
				d.sweep()
			}
			return f(d)
		})
		if entered {
			t.as = as
		}
		return entered, err
	}
	entered, err := attempt(rule, nil)
	refused := errors.As(err, new(*filetrust.Error)) || errors.Is(err, unix.EACCES)
	if !entered && refused && other {
		rule.Owners[0] = uint32(who.UID)
		// A umask of 002 leaves the group's bit on all that an account makes.
		rule.Group = func(gid, _ uint32) bool { return who.known && gid == uint32(who.GID) }
		entered, err = attempt(rule, who.Account)
	}
	if !entered && !create && errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// errNoParent: the directory in which ours would be made is not there.
var errNoParent = &problem{"its directory is not there", "create {parent}; if that is not where the file belongs, set `path`"}

// enter opens a directory in which nobody but the rule's owners can touch or add a file. With
// create, it is made where only the last part is missing, as after a reboot below /run.
func enter(rule filetrust.Rule, path string, create bool) (fd int, err error) {
	p, err := rule.Walk(path)
	missing := p.Name != "" && errors.Is(err, unix.ENOENT)
	switch {
	case err == nil && p.Name != "":
		err = fmt.Errorf("%q: %w", path, unix.ENOTDIR)
	case err == nil && !rule.Lenient && p.Shared != nil:
		err = p.Shared
	case err == nil:
		fd, err = atfile.Open(p.FD, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	case missing && create && !p.FromLink && p.Rest > 0:
		err = errNoParent
	case missing && create && !p.FromLink && (rule.Lenient || p.Shared == nil):
		// Open to all: each file has its own mode, and its owner must get to it.
		if err = unix.Mkdirat(p.FD, p.Name, 0o700); err == nil {
			err = unix.Fchmodat(p.FD, p.Name, 0o755, 0)
		}
		if err == nil || err == unix.EEXIST {
			_ = unix.Close(p.FD)
			return enter(rule, path, false)
		}
		err = fmt.Errorf("make directory %q: %w", path, err)
	}
	_ = unix.Close(p.FD)
	return fd, err
}

// readOurs reads a file that may hold something of ours; what is no regular file does not.
func (d *directory) readOurs(name string) (file, error) {
	f, err := d.readAny(name)
	switch {
	case errors.Is(err, errNotRegular):
		return file{}, nil
	case err == unix.EACCES:
		return file{}, errUnreadable
	}
	return f, err
}

// read is readAny without what others could have written, or this process may not read.
func (d *directory) read(name string) (file, error) {
	f, err := d.readAny(name)
	switch {
	case err == unix.EACCES:
		f.denied, err = true, nil
	case err == nil && !d.trusted(&f.stat):
		f.content = nil
	}
	return f, err
}

// readAny reads a regular file, and never waits for the other end of a pipe. With EACCES there is all
// but the content.
func (d *directory) readAny(name string) (read file, err error) {
	var st unix.Stat_t
	switch err := atfile.StatAt(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT:
		return file{}, nil
	case err != nil:
		return file{}, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return file{}, errNotRegular
	}
	fd, err := atfile.Open(d.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return file{stat: st, fingerprint: fingerprintOf(&st)}, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() // nothing was written
	if err := unix.Fstat(fd, &st); err != nil {
		return file{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return file{}, errNotRegular
	}
	if st.Size > maxSize {
		return file{}, errTooLarge
	}
	content := bytes.NewBuffer(make([]byte, 0, st.Size+bytes.MinRead))
	if _, err := content.ReadFrom(io.LimitReader(f, maxSize+1)); err != nil {
		return file{}, err
	}
	if content.Len() > maxSize || bytes.Count(content.Bytes(), []byte{':'})+bytes.Count(content.Bytes(), []byte{'\n'}) > maxParts {
		return file{}, errTooLarge
	}
	return file{content: content.Bytes(), stat: st, fingerprint: fingerprintOf(&st)}, nil
}

// dressed reports whether a file has the owner, group and mode that write gives it.
func (d *directory) dressed(f file) bool {
	return f.stat.Mode&0o7777 == d.mode && (d.uid < 0 || f.stat.Uid == uint32(d.uid)) && (d.gid < 0 || f.stat.Gid == uint32(d.gid)) && d.trusted(&f.stat)
}

// temporary names our files while they are written; see sweep.
const temporary = ".ecr-refreshd-"

// errGive marks that a file cannot be given to its owner or group.
var errGive = &problem{"refused", "run ecr-refreshd as root or with CAP_CHOWN (see docs/guides/password-files.md), or make {dir} the owner's: chown {owner} {dir}; " +
	"a group that the owner is not in only root or CAP_CHOWN can give"}

// write replaces a file by one with the content, and returns its fingerprint.
func (d *directory) write(name string, content []byte) (fingerprint, error) {
	if len(content) > maxSize {
		return fingerprint{}, errTooLarge
	}
	part := temporary + rand.Text()
	fd, err := atfile.Open(d.fd, part, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fingerprint{}, fmt.Errorf("make a file beside it: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() // it was synced
	if err = d.fill(f, content); err == nil {
		err = atfile.Retry(func() error { return unix.Renameat(d.fd, part, d.fd, name) })
	}
	var st unix.Stat_t
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		_ = unix.Unlinkat(d.fd, part, 0)
		if named := new(os.PathError); errors.As(err, &named) {
			err = named.Err // the fault names the file
		}
		return fingerprint{}, err
	}
	return fingerprintOf(&st), nil
}

// fill writes, and gives the file away. The group comes before the mode, which opens the file to
// it, and the owner last, for a file of another owner's this process may not change.
func (d *directory) fill(f *os.File, content []byte) error {
	if _, err := f.Write(content); err != nil {
		return err
	}
	fd := int(f.Fd())
	if d.gid >= 0 {
		if err := unix.Fchown(fd, -1, d.gid); err != nil {
			return fmt.Errorf("give the file to group %d: %w: %w", d.gid, errGive, err)
		}
	}
	if err := unix.Fchmod(fd, d.mode); err != nil {
		return fmt.Errorf("set mode %04o: %w", d.mode, err)
	}
	if d.uid >= 0 {
		if err := unix.Fchown(fd, d.uid, -1); err != nil {
			return fmt.Errorf("give the file to uid %d: %w: %w", d.uid, errGive, err)
		}
	}
	return f.Sync()
}

func (d *directory) unlink(name string) error {
	if err := unix.Unlinkat(d.fd, name, 0); err != nil && err != unix.ENOENT {
		return err
	}
	return d.sync()
}

func (d *directory) sync() error {
	if err := unix.Fsync(d.fd); err != nil && err != unix.EINVAL { // EINVAL: nothing to sync on this file system
		return fmt.Errorf("write the directory to disk: %w", err)
	}
	return nil
}

// abandoned is the age of a temporary file that nobody writes any more.
const abandoned = 2 * limit

// sweep clears away what a killed process has left. It can fail: then it is for the next one.
func (d *directory) sweep() {
	names, _ := d.list()
	for _, name := range names {
		var st unix.Stat_t
		if strings.HasPrefix(name, temporary) && atfile.StatAt(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && d.trusted(&st) && time.Since(time.Unix(st.Mtim.Unix())) > abandoned {
			_ = unix.Unlinkat(d.fd, name, 0)
		}
	}
}

// mostFiles is more than there are hosts.
const mostFiles = 10_000

// list returns the names in the directory.
func (d *directory) list() ([]string, error) {
	fd, err := atfile.Open(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close() // nothing was written
	names, err := f.Readdirnames(mostFiles)
	if err == io.EOF {
		err = nil
	}
	return names, err
}

// named lists the files of hosts that are ours, as far as a name tells the host.
func (t *Target) named(d *directory, ours func(string) bool) ([]string, error) {
	base := filepath.Base(t.Path)
	pattern := regexp.MustCompile("^" + strings.NewReplacer(
		regexp.QuoteMeta(ofHost), `(?P<host>[a-z0-9.:-]+)`, regexp.QuoteMeta(ofAccount), `(?:[0-9]{12}|public)`, regexp.QuoteMeta(ofRegion), `[a-z0-9-]+`,
	).Replace(regexp.QuoteMeta(base)) + "$")
	if pattern.NumSubexp() == 0 && !strings.Contains(base, "{") {
		return []string{base}, nil
	}
	all, err := d.list()
	var names []string
	for _, name := range all {
		match := pattern.FindStringSubmatch(name)
		if match != nil && (len(match) == 1 || ours(match[1])) {
			names = append(names, name)
		}
	}
	return names, err
}
