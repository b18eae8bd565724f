package api

import (
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/access"
)

const (
	maxConns    = 4096 // at once, of all users
	maxUserConn = 1024 // at once, of one user
	// sendBuffer is the kernel's memory for an answer that nobody reads, in bytes
	// as setsockopt takes it, which doubles it. A login fits; without it each
	// connection could hold 200 KiB.
	sendBuffer = 16 << 10
	// complainEvery is how often the gate says that it turns connections away.
	complainEvery = time.Minute
)

// gate is a listener that knows who connects, and closes what is too much. Root
// and the own user are let in always: they must be able to look.
type gate struct {
	net.Listener
	directory *access.Directory
	logger    *zap.Logger

	mu         sync.Mutex
	total      int
	users      map[uint32]int
	complained time.Time
	turnedAway int // since then
}

func newGate(l net.Listener, d *access.Directory, logger *zap.Logger) *gate {
	return &gate{Listener: l, directory: d, logger: logger, users: make(map[uint32]int)}
}

// guest is a connection that was let in.
type guest struct {
	net.Conn
	peer  access.Peer
	leave func()
}

// Close closes the connection and makes room for another.
func (g *guest) Close() error {
	err := g.Conn.Close()
	g.leave()
	return err
}

// Accept gives the next connection that may stay.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				g.complain(zap.Error(err)) // no descriptors are left, for instance
			}
			return nil, err
		}
		if guest := g.admit(c); guest != nil {
			return guest, nil
		}
		_ = c.Close()
	}
}

func (g *gate) admit(c net.Conn) *guest {
	u, ok := c.(*net.UnixConn)
	if !ok {
		g.complain(zap.String("error", "not a connection of a Unix socket: nobody can tell who asks"))
		return nil
	}
	peer, err := access.PeerOf(u)
	if err != nil {
		g.complain(zap.Error(err))
		return nil
	}
	_ = u.SetWriteBuffer(sendBuffer)
	if g.directory.Privileged(peer) {
		return &guest{Conn: c, peer: peer, leave: func() {}}
	}
	if !g.enter(peer.UID) {
		g.complain(zap.Uint32("uid", peer.UID), zap.Int("pid", peer.PID), zap.String("error", "too many connections at once"))
		return nil
	}
	return &guest{Conn: c, peer: peer, leave: sync.OnceFunc(func() { g.exit(peer.UID) })}
}

// enter counts a connection of uid, unless there are too many.
func (g *gate) enter(uid uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= maxConns || g.users[uid] >= maxUserConn {
		return false
	}
	g.total++
	g.users[uid]++
	return true
}

func (g *gate) exit(uid uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.users[uid]--; g.users[uid] == 0 {
		delete(g.users, uid)
	}
}

// complain logs that a connection was closed, the first of a minute only.
func (g *gate) complain(why ...zap.Field) {
	g.mu.Lock()
	g.turnedAway++
	count, now := g.turnedAway, time.Now()
	due := g.complained.IsZero() || now.Sub(g.complained) >= complainEvery
	if due {
		g.complained, g.turnedAway = now, 0
	}
	g.mu.Unlock()
	if due {
		g.logger.Warn("connections turned away", append(why, zap.Int("count", count))...)
	}
}
