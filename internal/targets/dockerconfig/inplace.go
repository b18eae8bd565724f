package dockerconfig

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
)

// overwrite changes the file itself, which keeps its inode, and reports whether that still
// was and is the one that was read. It is for a file that is mounted by itself into a
// container, which sees the inode that it had at its start and no other.
//
// The file is never empty or cut off, and a full disk leaves it as it was. It is brought to
// the longer of both lengths with spaces, then what differs is written at once, then the
// spaces at the end go. A renewal changes nothing but the tokens. Who reads in the fraction of a
// millisecond in which they are copied may get a token that is half old and half new, and, where entries come
// or go and the change is longer than a page of memory, 4 KiB, a content that is no JSON.
// A process of ours that is killed in this moment leaves it like that. What another
// program writes into the file between our last look and our write is lost.
//
// A program that replaces the file, as docker does, makes it another inode. From then on that
// is the one that is kept up to date: what is mounted is out of reach for all.
func (s *session) overwrite(was *file, content []byte) (done bool, err error) {
	if err := check(content); err != nil {
		return false, err
	}
	fd, err := atfile.Open(s.dirfd, s.name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW, 0)
	switch {
	case err == unix.ENOENT: // it went just now
		return false, nil
	case err != nil:
		return false, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := atfile.Stat(fd, &st); err != nil || !was.is(&st) {
		return false, err
	}
	if err := s.rule.Owner(s.path, &st); err != nil {
		return false, err // a stranger's file would be his to read
	}
	size := max(len(content), len(was.content))
	now, next := padded(was.content, size), padded(content, size)
	if err = writeAt(fd, now[len(was.content):], len(was.content)); err == nil {
		from, to := 0, size
		for from < to && now[from] == next[from] {
			from++
		}
		for to > from && now[to-1] == next[to-1] {
			to--
		}
		if err = writeAt(fd, next[from:to], from); err == nil {
			was = &file{content: content}
		}
	}
	// Whatever went wrong, only spaces go.
	if cut := atfile.Retry(func() error { return unix.Ftruncate(fd, int64(len(was.content))) }); err == nil {
		err = cut
	}
	if err == nil {
		err = atfile.Retry(func() error { return unix.Fsync(fd) })
	}
	if err != nil {
		return false, fmt.Errorf("write the file: %w", err)
	}
	var named unix.Stat_t
	err = atfile.StatAt(s.dirfd, s.name, &named, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && named.Ino == st.Ino && named.Dev == st.Dev, nil
}

func padded(content []byte, size int) []byte {
	return append(bytes.Clone(content), bytes.Repeat([]byte{' '}, size-len(content))...)
}

func writeAt(fd int, data []byte, at int) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, int64(at))
		if err != nil && err != unix.EINTR {
			return err
		}
		data, at = data[max(n, 0):], at+max(n, 0)
	}
	return nil
}
