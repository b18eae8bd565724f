package api

import (
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/peerauth"
)

const (
	maxConns      = 4096 // at once, of all users but the privileged ones
	maxUserConn   = 1024 // at once, of one of those
	maxPrivileged = 2048 // at once, of root or the own user: uid 0 of a container may be no friend
	// sendBuffer is the kernel's memory for an answer that nobody reads, in bytes
	// as setsockopt takes it, which doubles it. A login fits; without it each
	// connection could hold 200 KiB.
	sendBuffer = 16 << 10
	// complainEvery is how often the gate says that it turns connections away.
	complainEvery = time.Minute
)

// gate is a listener that knows who connects, and closes what is too much: one
// user's crowd stops nobody else, and root and the own user, who must be able to
// look, do not count with the others. A connection that only sits there is closed
// by the server's time limits.
type gate struct {
	net.Listener
	directory *peerauth.Directory
	logger    *zap.Logger

	mu     sync.Mutex
	users  map[uint32]int // connections by uid
	others int            // connections of all but the privileged users
}

func newGate(l net.Listener, d *peerauth.Directory, logger *zap.Logger) *gate {
	once := zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, complainEvery, 1, 0) })
	return &gate{Listener: l, directory: d, logger: logger.WithOptions(once), users: make(map[uint32]int)}
}

// admitted is a connection that was let in.
type admitted struct {
	net.Conn
	peer  peerauth.Peer
	leave func() // counts once
}

// Close closes the connection and makes room for another.
func (g *admitted) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// Accept returns the next connection that may stay.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				g.complain(zap.Error(err), zap.String("hint", acceptHint(err)))
			}
			return nil, err
		}
		if admitted := g.admit(c); admitted != nil {
			return admitted, nil
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

func (g *gate) admit(c net.Conn) *admitted {
	u, ok := c.(*net.UnixConn)
	if !ok {
		g.complain(zap.String("error", "not a connection of a Unix socket: nobody can tell who asks"))
		return nil
	}
	peer, err := peerauth.PeerOf(u)
	if err != nil {
		g.complain(zap.Error(err))
		return nil
	}
	privileged := g.directory.Privileged(peer)
	if !g.enter(peer.UID, privileged) {
		g.complain(zap.Uint32("uid", peer.UID), zap.Int("pid", peer.PID), zap.String("error", "too many connections at once"))
		return nil
	}
	_ = u.SetWriteBuffer(sendBuffer)
	return &admitted{c, peer, sync.OnceFunc(func() { g.leave(peer.UID, privileged) })}
}

// enter counts a connection of uid, unless there are too many.
func (g *gate) enter(uid uint32, privileged bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case privileged && g.users[uid] >= maxPrivileged,
		!privileged && (g.users[uid] >= maxUserConn || g.others >= maxConns):
		return false
	case !privileged:
		g.others++
	}
	g.users[uid]++
	return true
}

func (g *gate) leave(uid uint32, privileged bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !privileged {
		g.others--
	}
	if g.users[uid]--; g.users[uid] == 0 {
		delete(g.users, uid)
	}
}

// complain logs that a connection was closed, the first of a minute only.
func (g *gate) complain(why ...zap.Field) { g.logger.Warn("connections turned away", why...) }
