package dockerconfig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
)

// session is one read-modify-write of the file: its directory, held open and
// locked against other processes of ours, and its name there. Everything goes
// by the open directory, so that a directory swapped meanwhile changes nothing.
type session struct {
	site
	rule     filetrust.Rule
	dirfd    int
	name     string
	locked   bool      // false where there is no such lock, or somebody else keeps it
	settled  time.Time // from when on no unfinished file is waited for
	share    int64     // how many bytes may be read; see takeShare
	giveBack func()    // ends the share

	done    map[string]HostReport // what to report, by host
	verdict fault.List            // what docker would do otherwise than it should
}

// access is what a session is for.
type access struct {
	create bool  // make what is missing; otherwise there is nothing to change then
	adds   int64 // about how many bytes come into the file
}

var (
	errLocked   = &problem{"another process holds the lock on the directory", "find out which process holds it: fuser -v {dir}"}
	errRestless = &problem{"another program rewrites the file all the time", "find the program that writes to {dir} all the time: fuser -v {dir}"}
)

// open finds the site's file, opens its directory, takes the lock and a share of the room
// for files, and clears away what a killed session has left.
func (s *session) open(ctx context.Context, with access) error {
	s.rule = s.site.rule()
	makes := 0
	if with.create {
		makes = s.makes
	}
	at, name, err := find(s.rule, s.path, makes)
	if err != nil {
		return err
	}
	s.name = name
	s.dirfd, err = atfile.Open(at, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	_ = unix.Close(at)
	if err != nil {
		return fmt.Errorf("open directory of %q: %w", s.path, err)
	}
	var st unix.Stat_t
	if err = s.lock(ctx); err == nil {
		_ = atfile.StatAt(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW) // reading it will say what is wrong
		s.share, s.giveBack, err = takeShare(ctx, st.Size+with.adds)
	}
	if err != nil {
		_ = unix.Close(s.dirfd)
		return err
	}
	if s.locked {
		unlinkat(s.dirfd, s.temp())
		unlinkat(s.dirfd, "."+s.name+".ecr-refreshd.json") // which an earlier version kept beside the file
	}
	s.settled = time.Now().Add(settling)
	return nil
}

func (s *session) close() {
	s.giveBack()
	_ = unix.Close(s.dirfd) // and with it goes the lock
}

// unlessMissing is err, unless it says that there is nothing to change.
func (s *session) unlessMissing(err error, with access) error {
	if !with.create && errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
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
// written in place by a program such as a shell with >. It is given that time, once a
// session: its clock may be another, or it may be touched for ever.
const (
	settling    = time.Second
	settleRetry = 20 * time.Millisecond
)

// read reads the file, nil when there is none, and takes it apart.
func (s *session) read(ctx context.Context) (*file, *document, error) {
	for {
		f, err := readFile(s.dirfd, s.name, s.share)
		switch {
		case err == unix.ENOENT:
			f = nil
		case errors.Is(err, errTooLarge) && s.share < maxSize:
			return nil, nil, errRestless // it has grown since the session began
		case err != nil:
			return nil, nil, err
		}
		doc, err := parseDocument(f.data())
		now := time.Now()
		if f == nil || err == nil && len(f.content) > 0 || now.After(s.settled) || now.Sub(time.Unix(f.mtime.Unix())).Abs() > settling {
			return f, doc, err
		}
		if err := wait(ctx, settleRetry); err != nil {
			return nil, nil, err
		}
	}
}

// temp is the name of our file beside the target. It is always the same, so that the next
// session with the lock knows what a killed process has left.
func (s *session) temp() string { return "." + s.name + ".ecr-refreshd-new" }

// write makes a file of ours beside the target, on disk before it is used, and
// returns its name. Its mode and owner are those of the file that it is to replace; nil is a
// new one. doc gets the digest of its content.
func (s *session) write(doc *document, like *file) (name string, err error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	name, fd := s.temp(), -1
	if err = unix.EEXIST; s.locked {
		fd, err = atfile.Open(s.dirfd, name, flags, 0o600)
	}
	if err == unix.EEXIST { // another session of ours is at work, or somebody has taken the name
		name += "-" + rand.Text()
		fd, err = atfile.Open(s.dirfd, name, flags, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("make a file beside %q: %w", s.name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if doc.sum, err = fill(f, doc, like); err != nil {
		unlinkat(s.dirfd, name)
		return "", fmt.Errorf("write a file beside %q: %w", s.name, err)
	}
	return name, nil
}

// fill writes what could be read again, or returns a *problem.
func fill(f *os.File, doc *document, like *file) (sum digest, err error) {
	hash, count := sha256.New(), &counter{}
	out := bufio.NewWriterSize(io.MultiWriter(f, hash, count), 64<<10)
	doc.write(out)
	if err = out.Flush(); err == nil {
		err = withinBounds(count.bytes, count.colons)
	}
	if err == nil {
		err = dress(int(f.Fd()), like)
	}
	if err == nil {
		err = f.Sync()
	}
	if named := new(os.PathError); errors.As(err, &named) {
		err = named.Err // the name may be drawn again each time; a cause that stays should read the same
	}
	return digest(hash.Sum(nil)), err
}

// counter counts what is written to it.
type counter struct{ bytes, colons int }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	c.colons += bytes.Count(p, []byte{':'})
	return len(p), nil
}

// sum is what lies under a name beside the file; zero for what is no file of ours.
func (s *session) sum(name string) reading {
	r, _, _ := sumFile(s.dirfd, name, maxSize)
	return r
}

// dress gives our file owner and mode of the one that it is to replace, as far as the
// account may; docker does no more. What cannot be kept never widens who may read.
func dress(fd int, like *file) error {
	if like == nil {
		return nil // it was made with mode 0600
	}
	mode := like.mode
	var st unix.Stat_t
	if err := atfile.Stat(fd, &st); err != nil {
		return err
	}
	switch {
	case like.uid != int(st.Uid) && like.uid != 0:
		mode &^= 0o077 // a stranger's: others may read it no more, nor may its owner
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
