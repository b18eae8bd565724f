package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// session is one read-modify-write of the file: its directory, held open and
// locked against other processes of ours, and its name there. Everything goes
// by the open directory, so that a directory swapped meanwhile changes nothing.
type session struct {
	dirfd  int
	name   string
	locked bool // false where the file system knows no such lock
	// changes is what other programs wrote while this session had read the file and
	// not yet replaced it, and what a killed session had displaced. Files
	// that hold such content, by name in displaced, stay until it is in place
	// again, in case this process ends before that.
	changes   []change
	displaced []string
	collided  time.Time // when such a write was last met
}

var (
	// errNoParent: the directory in which ours would be made is not there.
	errNoParent = errors.New("its directory is not there")
	errLocked   = errors.New("another process holds the lock on the directory")
	errRestless = errors.New("another program rewrites the file all the time")
)

// openSession finds the file behind path, through links in place of the file
// too, opens its directory and takes the lock. With create, a missing last directory
// is made, as docker makes it; the one above it never is.
func openSession(ctx context.Context, path string, create bool) (*session, error) {
	dir, name := filepath.Split(path)
	dirfd, err := openDir(unix.AT_FDCWD, dir)
	if err == unix.ENOENT && create {
		if err := unix.Mkdirat(unix.AT_FDCWD, strings.TrimRight(dir, "/"), 0o700); err == unix.ENOENT {
			return nil, errNoParent
		} else if err != nil && err != unix.EEXIST {
			return nil, fmt.Errorf("make directory %q: %w", dir, err)
		}
		dirfd, err = openDir(unix.AT_FDCWD, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", dir, err)
	}
	s := &session{dirfd: dirfd, name: name}
	if err = s.followLinks(); err == nil {
		err = s.lock(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() { _ = unix.Close(s.dirfd) } // and with it goes the lock

func openDir(dirfd int, name string) (int, error) {
	return openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// followLinks moves on to the file that a link in the file's place points to;
// replacing the link itself would undo what a dotfile manager has set up.
func (s *session) followLinks() error {
	for range maxLinks {
		var st unix.Stat_t
		err := fstatat(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.ENOENT || err == nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stat %q: %w", s.name, err)
		}
		target, err := readlinkat(s.dirfd, s.name)
		if err != nil {
			return fmt.Errorf("read link %q: %w", s.name, err)
		}
		dir, name := filepath.Split(target)
		if dir != "" {
			dirfd, err := openDir(s.dirfd, dir)
			if err != nil {
				return fmt.Errorf("open directory %q, to which %q points: %w", dir, s.name, err)
			}
			s.close()
			s.dirfd = dirfd
		}
		if name == "" || name == "." || name == ".." {
			return errNotRegular
		}
		s.name = name
	}
	return fmt.Errorf("follow %q: %w", s.name, unix.ELOOP)
}

// lockRetry is how long to wait between two tries for the lock.
const lockRetry = 20 * time.Millisecond

// lock takes the lock of the directory, which our processes hold while they have
// files of their own in it. Others do not know it; nor do some network file
// systems, where two of our processes at once then behave like strangers.
func (s *session) lock(ctx context.Context) error {
	for {
		err := unix.Flock(s.dirfd, unix.LOCK_EX|unix.LOCK_NB)
		switch err {
		case nil:
			s.locked = true
			return nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			if err := wait(ctx, lockRetry); err != nil {
				return fmt.Errorf("%w: %w", errLocked, err)
			}
		case unix.EBADF, unix.EINVAL, unix.ENOLCK, unix.ENOSYS, unix.EOPNOTSUPP:
			return nil
		default:
			return fmt.Errorf("lock directory: %w", err)
		}
	}
}

// wait sleeps for d unless ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// A file that is empty or broken and was changed within settling is most likely being
// written in place by a program such as a shell with >. It is given that time.
const (
	settling    = time.Second
	settleRetry = 20 * time.Millisecond
)

// read reads the file, nil when there is none, and takes it apart.
func (s *session) read(ctx context.Context) (*file, *document, error) {
	for {
		f, err := readFile(s.dirfd, s.name, unix.O_NOFOLLOW)
		if err == unix.ENOENT {
			f = nil
		} else if err != nil {
			return nil, nil, err
		}
		doc, err := parseDocument(f.data())
		if f == nil || err == nil && len(f.content) > 0 || time.Since(time.Unix(f.mtime.Unix())) > settling {
			return f, doc, err
		}
		if err := wait(ctx, settleRetry); err != nil {
			return nil, nil, err
		}
	}
}

// write makes a file of ours beside the target, on disk before it is used, and
// gives its name. Its mode and owner are those of the file that it is to
// replace; nil is a new one.
func (s *session) write(content []byte, like *file) (name string, err error) {
	if len(content) > maxSize {
		return "", errTooLarge
	}
	unused := s.unusedName()
	fd, err := openat(s.dirfd, unused, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", fmt.Errorf("make a file beside %q: %w", s.name, err)
	}
	f := os.NewFile(uintptr(fd), unused)
	defer f.Close()
	name = unused
	if err = fill(f, content, like); err == nil && like != nil {
		var st unix.Stat_t
		if err = fstat(fd, &st); err == nil {
			name = s.swapName(idOf(fingerprintOf(&st)), idOf(like.fingerprint))
			err = renameat2(s.dirfd, unused, name, 0)
		}
	}
	if err != nil {
		unlinkat(s.dirfd, unused)
		return "", fmt.Errorf("write a file beside %q: %w", s.name, err)
	}
	return name, nil
}

func fill(f *os.File, content []byte, like *file) error {
	_, err := f.Write(content)
	if err == nil {
		err = dress(int(f.Fd()), like)
	}
	if err == nil {
		err = f.Sync()
	}
	// The name of our file is drawn anew each time; a cause that stays the same
	// should read the same.
	if named := new(os.PathError); errors.As(err, &named) {
		return named.Err
	}
	return err
}

// dress gives our file owner and mode of the one that it is to replace, as far as the
// account may; docker does no more. What cannot be kept never widens who may read.
func dress(fd int, like *file) error {
	if like == nil {
		return nil // it was made with mode 0600
	}
	mode := like.mode
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err
	}
	if int(st.Uid) != like.uid || int(st.Gid) != like.gid {
		err := unix.Fchown(fd, like.uid, like.gid)
		if err != nil {
			err = unix.Fchown(fd, -1, like.gid)
		}
		if err != nil {
			mode &^= 0o070
		}
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return fmt.Errorf("set mode %#o on a file: %w", mode, err)
	}
	return nil
}
