package engine

import (
	"context"
	"net"
	"sync"
)

// dialFunc is the type of http.Transport.DialContext.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// wire owns the connections of one session. The transport under docker's client
// dials and closes in goroutines of its own, which may outlive a request; wire
// makes close the end of them all, since a connection can be an ssh process.
type wire struct {
	dial   dialFunc
	ctx    context.Context // ends the dials under way
	cancel context.CancelFunc
	dials  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
	err    error // of the last dial that went wrong
}

func newWire(ctx context.Context, dial dialFunc) *wire {
	ctx, cancel := context.WithCancel(ctx)
	return &wire{dial: dial, ctx: ctx, cancel: cancel, conns: map[*conn]struct{}{}}
}

// dialContext lives as long as the session and not as the request that asked
// first: the transport hands the connection to whoever is next.
func (w *wire) dialContext(_ context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, net.ErrClosed
	}
	w.dials.Add(1)
	w.mu.Unlock()
	defer w.dials.Done()
	inner, err := w.dial(w.ctx, network, addr)
	if err != nil {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
		return nil, err
	}
	c := &conn{Conn: inner, wire: w}
	w.mu.Lock()
	w.conns[c] = struct{}{}
	w.mu.Unlock()
	return c, nil
}

// close returns when every dial and every connection has ended.
func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.dials.Wait()
	w.mu.Lock()
	open := make([]*conn, 0, len(w.conns))
	for c := range w.conns {
		open = append(open, c)
	}
	w.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range open {
		closing.Go(func() { _ = c.Close() }) // ending it is all that is wanted
	}
	closing.Wait()
}

// lost is why the engine could not be dialled, if so.
func (w *wire) lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// conn tells its wire that it is closed.
type conn struct {
	net.Conn
	wire *wire
	once sync.Once
	err  error
}

// Close closes once and lets every caller wait for it: for ssh, until the
// process has ended.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.wire.mu.Lock()
		delete(c.wire.conns, c)
		c.wire.mu.Unlock()
	})
	return c.err
}
