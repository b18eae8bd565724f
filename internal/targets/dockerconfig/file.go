package dockerconfig

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
)

const (
	// maxSize is the largest file that is read or written, in bytes. A login takes some
	// 4 KB, so this is room for two thousand.
	maxSize = 8 << 20
	// maxMembers is how many members the objects of a file may have together, counted by
	// its colons. Taken apart, each costs many times its size.
	maxMembers = 20_000
)

const putAside = "see what has filled {path}, and put it aside: mv {path} {path}.old"

var (
	errNotRegular = &problem{"not a regular file", "see what it is with `ls -ld {path}` and move it away"}
	errTooLarge   = &problem{"too large", putAside}
	errTooMany    = &problem{fmt.Sprintf("more than %d members in its JSON objects", maxMembers), putAside}
)

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: more than %d MiB", errTooLarge, limit>>20)
}

// fingerprint changes whenever a file's content does, save for a write in the
// same tick of the file system's clock.
type fingerprint struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// fingerprintOf converts what is not of the same type on every architecture.
func fingerprintOf(st *unix.Stat_t) fingerprint {
	return fingerprint{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
}

// changedAt is when the file last changed, in content or otherwise.
func (f fingerprint) changedAt() time.Time { return time.Unix(f.ctime.Unix()) }

// file is one reading of a file.
type file struct {
	content  []byte
	mode     uint32 // permission bits
	uid, gid int
	fingerprint
}

// reading is what a rewrite must keep of a file; two that are the same are equal.
type reading struct {
	sum      digest
	mode     uint32 // permission bits
	uid, gid int
}

func (f *file) reading() reading { return reading{sha256.Sum256(f.content), f.mode, f.uid, f.gid} }

// is reports whether a look, or at least its size and time of change, is of what was read. A
// new hard link to the file changes its ctime, and nothing else.
func (f *file) is(st *unix.Stat_t) bool {
	now := fingerprintOf(st)
	now.ctime = f.ctime
	return now == f.fingerprint
}

// data is the content, empty for a file that is not there.
func (f *file) data() []byte {
	if f == nil {
		return nil
	}
	return f.content
}

// readFile reads a regular file of at most limit bytes in the directory dirfd. It
// never waits for the other end of a pipe, and looks before it opens, because
// opening a device can have effects.
func readFile(dirfd int, name string, limit int64) (*file, error) {
	// The size is where to start, not what to rely on: it can grow meanwhile.
	content := new(bytes.Buffer)
	st, err := copyFile(content, dirfd, name, limit, func(size int64) { content.Grow(int(size) + bytes.MinRead) })
	if err != nil {
		return nil, err
	}
	return &file{content.Bytes(), st.Mode & 0o777, int(st.Uid), int(st.Gid), fingerprintOf(st)}, nil
}

// sumFile is readFile without the content, for little memory.
func sumFile(dirfd int, name string, limit int64) (r reading, f fingerprint, err error) {
	hash := sha256.New()
	st, err := copyFile(hash, dirfd, name, limit, func(int64) {})
	if err != nil {
		return reading{}, fingerprint{}, err
	}
	return reading{digest(hash.Sum(nil)), st.Mode & 0o777, int(st.Uid), int(st.Gid)}, fingerprintOf(st), nil
}

// copyFile is readFile into a writer, to which expect tells the size beforehand.
func copyFile(to io.Writer, dirfd int, name string, limit int64, expect func(size int64)) (*unix.Stat_t, error) {
	var st unix.Stat_t
	if err := atfile.StatAt(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNotRegular
	}
	fd, err := atfile.Open(dirfd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := atfile.Stat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNotRegular
	}
	if st.Size > limit {
		return nil, tooLarge(limit)
	}
	expect(st.Size)
	n, err := io.Copy(to, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, tooLarge(limit)
	}
	return &st, nil
}

// unlinkat's caller has either replaced the file or never used it: what stays
// behind is cleared away by the next session.
func unlinkat(dirfd int, name string) { _ = unix.Unlinkat(dirfd, name, 0) }
