package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
)

// ErrNoDaemon says that no daemon could be reached at any of the sockets.
var ErrNoDaemon = errors.New("no daemon answers")

const (
	// dialPatience bounds how long a client tries while too many others wait to
	// be let in; dialPause is the time between two tries.
	dialPatience = 2 * time.Second
	dialPause    = 10 * time.Millisecond
)

// noDaemon tells of each socket why it did not do.
type noDaemon struct {
	sockets []string
	causes  []error // one for each of sockets
}

// Error lists the sockets.
func (n *noDaemon) Error() string {
	if len(n.sockets) == 0 {
		return ErrNoDaemon.Error() + ": there is no socket to ask at"
	}
	tried := make([]string, len(n.sockets))
	for i, socket := range n.sockets {
		tried[i] = fmt.Sprintf("at %q: %s", socket, why(n.causes[i]))
	}
	return ErrNoDaemon.Error() + " " + strings.Join(tried, ", nor ")
}

// Unwrap gives ErrNoDaemon and the causes.
func (n *noDaemon) Unwrap() []error { return append([]error{ErrNoDaemon}, n.causes...) }

// why says in a person's words why a socket did not do.
func why(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such socket"
	case errors.Is(err, unix.ECONNREFUSED):
		return "nobody listens"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not connect"
	case errors.Is(err, unix.EAGAIN):
		return "too many others wait to be let in"
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// dialer connects to the first of sockets that lets it.
func dialer(sockets []string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		failed := &noDaemon{sockets: sockets}
		for _, socket := range sockets {
			c, err := dial(ctx, socket)
			if err == nil {
				return c, nil
			}
			failed.causes = append(failed.causes, err)
		}
		return nil, failed
	}
}

func dial(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "unix", socket)
		if !errors.Is(err, unix.EAGAIN) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(dialPause):
		}
	}
}

// unreachableDaemon makes the error for a request that got no answer.
func unreachableDaemon(op string, err error) error {
	f := &fault.Error{Reason: fault.Local, Op: op, Err: err}
	var none *noDaemon
	switch {
	case errors.As(err, &none):
		f.Err = none // without the address that the HTTP client made up
		f.Hint = "start it with `systemctl start ecr-refreshd`, or name its socket in $ECR_REFRESHD_SOCKET"
		if errors.Is(err, fs.ErrPermission) {
			f.Hint = "set socket.group, or socket.mode, in the configuration so that this user may connect, or ask as root"
		}
	case errors.Is(err, context.DeadlineExceeded):
		f.Err, f.Hint = errors.New("no answer in time"), "look at the journal of ecr-refreshd; restart it if it says nothing"
	case errors.Is(err, context.Canceled):
		f.Err = context.Canceled
	default:
		f.Err = errors.New("the connection ended before the answer did")
		f.Hint = "ecr-refreshd may be stopping or have too many connections: try again, and look at its journal"
	}
	return f
}
