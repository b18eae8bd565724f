package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/filetrust"
)

// session is one read-modify-write of the file: its directory, held open and
// locked against other processes of ours, and its name there. Everything goes
// by the open directory, so that a directory swapped meanwhile changes nothing.
type session struct {
	rule    filetrust.Rule
	dirfd   int
	name    string
	locked  bool      // false where there is no such lock, or somebody else keeps it
	settled time.Time // from when on no file is waited for, once one was

	adds     int64  // the bytes that are to come into the file
	share    int64  // the bytes that may be read now; see room
	giveBack func() // ends the share; nil for none
	within   bool   // another session's share
}

var (
	errLocked   = &problem{"another process holds the lock on the directory", "find out which process holds it: fuser -v {dir}"}
	errRestless = &problem{"another program rewrites the file all the time", "find the program that writes to {dir} all the time: fuser -v {dir}"}
)

// open finds the site's file, opens its directory and takes the lock. With create,
// a missing last directory is made.
func (w site) open(ctx context.Context, create bool) (*session, error) {
	rule := w.rule()
	at, name, err := find(rule, w.path, create)
	if err != nil {
		return nil, err
	}
	dirfd, err := openDir(at, ".")
	_ = unix.Close(at)
	if err != nil {
		return nil, fmt.Errorf("open directory of %q: %w", w.path, err)
	}
	s := &session{rule: rule, dirfd: dirfd, name: name, adds: w.adds}
	if err := s.lock(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	s.leave()
	_ = unix.Close(s.dirfd) // and with it goes the lock
}

func openDir(dirfd int, name string) (int, error) {
	return openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

const (
	// lockPatience is how long the lock is waited for. A session of ours is done long
	// before; but whoever may open the directory can take the lock, and keep it.
	lockPatience = 2 * time.Second
	lockRetry    = 20 * time.Millisecond
)

// lock takes the lock of the directory, which our processes hold while they have
// files of their own in it. Others do not know it; nor do some network file
// systems. Without it, two of our processes at once behave like strangers.
func (s *session) lock(ctx context.Context) error {
	began := time.Now()
	for {
		err := unix.Flock(s.dirfd, unix.LOCK_EX|unix.LOCK_NB)
		switch err {
		case nil:
			s.locked = true
			return nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			if time.Since(began) > lockPatience {
				return nil
			}
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
// written in place by a program such as a shell with >. It is given that time, and
// no more: its clock may be another, or it may be touched for ever.
const (
	settling    = time.Second
	settleRetry = 20 * time.Millisecond
)

// read reads the file, nil when there is none, and takes it apart, within a share that
// is the session's then.
func (s *session) read(ctx context.Context) (*file, *document, error) {
	for {
		var st unix.Stat_t
		_ = fstatat(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW) // reading it will say what is wrong
		if err := s.enter(ctx, st.Size); err != nil {
			return nil, nil, err
		}
		f, err := readFile(s.dirfd, s.name, s.share)
		grown := errors.Is(err, errTooLarge) && s.share < maxSize && !s.within
		if err == unix.ENOENT {
			f = nil
		} else if err != nil && !grown {
			return nil, nil, err
		}
		if !grown {
			doc, err := parseDocument(f.data())
			if f == nil || err == nil && len(f.content) > 0 || !s.unsettled(f, time.Now()) {
				return f, doc, err
			}
		}
		s.leave()
		if err := wait(ctx, settleRetry); err != nil {
			return nil, nil, err
		}
	}
}

// unsettled reports whether the file's content may be unfinished. A time to come, but
// for what two clocks may differ, is somebody's invention.
func (s *session) unsettled(f *file, now time.Time) bool {
	if s.settled.IsZero() {
		s.settled = now.Add(settling)
	}
	return now.Before(s.settled) && now.Sub(time.Unix(f.mtime.Unix())).Abs() <= settling
}

// write makes a file of ours beside the target, on disk before it is used, and
// gives its name. Its mode and owner are those of the file that it is to
// replace; nil is a new one.
func (s *session) write(content []byte, like *file) (name string, err error) {
	if s.within && len(content) > maxRecord {
		return "", tooLarge(maxRecord)
	}
	if err := checkSize(content); err != nil {
		return "", err
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
	// The name of our file is drawn again each time; a cause that stays the same
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
	switch {
	case like.uid != int(st.Uid) && like.uid != 0:
		mode &^= 0o077 // a stranger's: others get to read it no more, nor does he
	case like.uid != int(st.Uid) || like.gid != int(st.Gid):
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
