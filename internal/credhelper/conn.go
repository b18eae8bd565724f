package credhelper

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// errLate says that the deadline of an exchange has passed.
var errLate = errors.New("no answer in time")

// dial connects to the socket at path. End is for the connection and for all that is
// done on it. The error is a syscall.Errno or one of this package's.
func dial(path string, end time.Time) (*net.UnixConn, error) {
	if len(path) > pathLimit {
		return nil, errLongPath
	}
	for {
		if !time.Now().Before(end) {
			return nil, errLate
		}
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: path})
		if err == nil {
			return c, c.SetDeadline(end)
		}
		err = cause(err)
		if err != syscall.EAGAIN { // the listener's queue is not full
			// The kernel refuses a connection to any other file as if nobody listened.
			if info, statErr := os.Stat(path); err == syscall.ECONNREFUSED && statErr == nil && info.Mode()&os.ModeSocket == 0 {
				err = errNoSocket
			}
			return nil, err
		}
		time.Sleep(pause)
	}
}

// cause reduces an error of net to errLate or to the kernel's reason.
func cause(err error) error {
	var kernel syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errLate
	case errors.As(err, &kernel):
		return kernel
	}
	return err
}
