package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// sshGrace is how long a connection may take to close. It is more than the 3 s
// after which docker's helper kills an ssh that does not end by itself, and less
// than the 5 s in which the daemon promises to stop.
const sshGrace = 4 * time.Second

// sshDial fixes two habits of the connections that dial makes, which are ssh
// processes: they do not always tell what ssh has said at its end, and closing
// them waits without limit for anyone who holds ssh's standard error, such as a
// ProxyCommand or a ControlPersist master that ssh leaves behind.
func sshDial(dial dialFunc, grace time.Duration) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &sshConn{Conn: c, grace: grace}, nil
	}
}

type sshConn struct {
	net.Conn
	grace time.Duration
	mu    sync.Mutex // held while reading
	said  error      // the first error that came with ssh's own words
}

// Read fails with ssh's own words when ssh has failed.
func (c *sshConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.Conn.Read(p)
	if c.said == nil && err != nil && err != io.EOF && !errors.Is(err, os.ErrClosed) {
		c.said = err
	}
	return n, err
}

// Write by itself knows only that the pipe is broken. It waits for the Read that
// knows why; that Read ends with ssh, or with Close.
func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		_, _ = c.Read(make([]byte, 1)) // only what it notes counts
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.said != nil {
			err = c.said
		}
	}
	return n, err
}

// Close returns when ssh has ended, and at the latest after the grace.
func (c *sshConn) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- c.Conn.Close() }() // outlives Close only while a descendant of ssh holds its standard error
	late := time.NewTimer(c.grace)
	defer late.Stop()
	select {
	case err := <-closed:
		return err
	case <-late.C:
		return os.ErrDeadlineExceeded
	}
}
