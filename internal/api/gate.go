package api

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/access"
)

const (
	maxConns      = 4096 // at once, of all users but the privileged ones
	maxUserConn   = 1024 // at once, of one of those
	maxPrivileged = 2048 // at once, of root and the own user: uid 0 of a container may be no friend
	// sendBuffer is the kernel's memory for an answer that nobody reads, in bytes
	// as setsockopt takes it, which doubles it. A login fits; without it each
	// connection could hold 200 KiB.
	sendBuffer = 16 << 10
	// complainEvery is how often the gate says that it turns connections away.
	complainEvery = time.Minute
)

// gate is a listener that knows who connects, and closes what is too much: of one
// user the newcomer, of all together the one that has been quiet for longest, so
// that a crowd that only sits there stops nobody. Root and the own user, who must
// be able to look, have their own places.
type gate struct {
	net.Listener
	directory *access.Directory
	logger    *zap.Logger

	mu         sync.Mutex
	users      map[uint32]int // of others
	others     places
	privileged places
	complained time.Time
	turnedAway int // since then
}

// places are those of one kind of guests; the gate's mutex guards them.
type places struct {
	most  int
	taken int
	quiet list.List // of *guest without a request under way, the longest so first
}

func newGate(l net.Listener, d *access.Directory, logger *zap.Logger) *gate {
	return &gate{Listener: l, directory: d, logger: logger, users: make(map[uint32]int),
		others: places{most: maxConns}, privileged: places{most: maxPrivileged}}
}

// guest is a connection that was let in. The gate's mutex guards the last two fields.
type guest struct {
	net.Conn
	gate   *gate
	peer   access.Peer
	places *places       // nil when it has left
	quiet  *list.Element // in places; nil while a request is under way
}

// Close closes the connection and makes room for another.
func (g *guest) Close() error {
	err := g.Conn.Close()
	g.gate.mu.Lock()
	defer g.gate.mu.Unlock()
	g.gate.leave(g)
	return err
}

// turn says whether a request of g is under way. One that is not yet there in
// full is not.
func (g *guest) turn(busy bool) {
	g.gate.mu.Lock()
	defer g.gate.mu.Unlock()
	switch {
	case g.places == nil:
	case busy && g.quiet != nil:
		g.places.quiet.Remove(g.quiet)
		g.quiet = nil
	case !busy && g.quiet == nil:
		g.quiet = g.places.quiet.PushBack(g)
	}
}

// Accept gives the next connection that may stay.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				g.complain(zap.Error(err), zap.String("hint", acceptHint(err)))
			}
			return nil, err
		}
		if guest := g.admit(c); guest != nil {
			return guest, nil
		}
		_ = c.Close()
	}
}

// acceptHint says what a person can do about an error of Accept.
func acceptHint(err error) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return "this process has used up its file descriptors: look with `ls -l /proc/PID/fd` for what, or raise LimitNOFILE= with `systemctl edit ecr-refreshd`"
	case errors.Is(err, unix.ENFILE):
		return "this host has used up its file descriptors: look with `lsof` for what, or raise fs.file-max with sysctl"
	}
	return ""
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
	newcomer := &guest{Conn: c, gate: g, peer: peer}
	evicted, ok := g.enter(newcomer, g.directory.Privileged(peer))
	if evicted != nil {
		g.complainOf(evicted.peer, "too many connections at once: closed the one that has been quiet for longest")
		_ = evicted.Conn.Close()
	}
	if !ok {
		g.complainOf(peer, "too many connections at once")
		return nil
	}
	return newcomer
}

// enter gives n a place. Where all are taken it takes that of a quiet one, who is
// to be closed; where there is none, or n's user has too many, n may not stay.
func (g *gate) enter(n *guest, privileged bool) (evicted *guest, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &g.privileged
	if !privileged {
		if p = &g.others; g.users[n.peer.UID] >= maxUserConn {
			return nil, false
		}
	}
	if p.taken >= p.most {
		longest := p.quiet.Front()
		if longest == nil {
			return nil, false
		}
		evicted = longest.Value.(*guest)
		g.leave(evicted)
	}
	p.taken++
	if !privileged {
		g.users[n.peer.UID]++
	}
	n.places, n.quiet = p, p.quiet.PushBack(n)
	return evicted, true
}

// leave frees the place of c, if it has one still. The mutex is held.
func (g *gate) leave(c *guest) {
	if c.places == nil {
		return
	}
	if c.quiet != nil {
		c.places.quiet.Remove(c.quiet)
	}
	c.places.taken--
	if uid := c.peer.UID; c.places == &g.others {
		if g.users[uid]--; g.users[uid] == 0 {
			delete(g.users, uid)
		}
	}
	c.places, c.quiet = nil, nil
}

// complainOf complains of a connection of peer.
func (g *gate) complainOf(peer access.Peer, what string) {
	g.complain(zap.Uint32("uid", peer.UID), zap.Int("pid", peer.PID), zap.String("error", what))
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
