package credhelper

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// errLate says that the deadline of an exchange has passed.
var errLate = errors.New("no answer in time")

// conn is a connection to a Unix socket with one deadline for everything that
// is done on it. It is for one goroutine.
type conn struct {
	fd  int
	end time.Time
}

// dial connects to the socket at path. Until end it waits for a place in the
// listener's queue. The error is a syscall.Errno or one of this package's.
func dial(path string, end time.Time) (*conn, error) {
	if len(path) > pathLimit {
		return nil, errLongPath
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &conn{fd, end}
	_, err = c.bounded(syscall.SO_SNDTIMEO, func() (int, error) {
		return 0, syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	})
	if err == nil {
		return c, nil
	}
	c.Close()
	// The kernel refuses a connection to any other file as if nobody listened.
	if info, statErr := os.Stat(path); err == syscall.ECONNREFUSED && statErr == nil && info.Mode()&os.ModeSocket == 0 {
		err = errNoSocket
	}
	return nil, err
}

// Read implements io.Reader. The error is errLate, io.EOF or a syscall.Errno.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.bounded(syscall.SO_RCVTIMEO, func() (int, error) { return syscall.Read(c.fd, p) })
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements io.Writer. The error is errLate or a syscall.Errno.
func (c *conn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := c.bounded(syscall.SO_SNDTIMEO, func() (int, error) { return syscall.Write(c.fd, p[done:]) })
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// Close ends the connection.
func (c *conn) Close() { _ = syscall.Close(c.fd) }

// bounded makes a system call that gives up, with EAGAIN, at the deadline. The
// kernel's timeout is for one call, so it is set anew before each.
func (c *conn) bounded(timeout int, call func() (int, error)) (int, error) {
	for {
		left := time.Until(c.end)
		// A timeout of zero would mean none.
		if left < time.Microsecond {
			return 0, errLate
		}
		limit := syscall.NsecToTimeval(left.Nanoseconds())
		if err := syscall.SetsockoptTimeval(c.fd, syscall.SOL_SOCKET, timeout, &limit); err != nil {
			return 0, err
		}
		n, err := call()
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, errLate
		default:
			return 0, err
		}
	}
}
