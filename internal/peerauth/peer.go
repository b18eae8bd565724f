// Package peerauth knows who asks on a Unix socket and who may have what: the
// kernel's word about the peer, and rules made of users and groups. What is
// asked for, and the answer, are the business of api.
package peerauth

import (
	"fmt"
	"net"
	"strings"
)

// Peer is the process at the other end of a connection, as it was when it
// connected. Its ids are those of this process's user namespace.
type Peer struct {
	PID      int // 0 when it lives in a process namespace that is not seen from here
	UID, GID uint32
	Groups   []uint32 // supplementary
	Name     string   // of the user, where it has been looked up; for messages only
}

// String names the peer as in "user jenkins (uid 1001), process 4711".
func (p Peer) String() string {
	var b strings.Builder
	if p.Name != "" {
		fmt.Fprintf(&b, "user %s (uid %d)", p.Name, p.UID)
	} else {
		fmt.Fprintf(&b, "uid %d", p.UID)
	}
	if p.PID != 0 {
		fmt.Fprintf(&b, ", process %d", p.PID)
	}
	return b.String()
}

// PeerOf asks the kernel who is at the other end of c.
func PeerOf(c *net.UnixConn) (Peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("peer of a connection: %w", err)
	}
	var p Peer
	var asked error
	if err := raw.Control(func(fd uintptr) { p, asked = peerOf(int(fd)) }); err != nil {
		return Peer{}, fmt.Errorf("peer of a connection: %w", err)
	}
	if asked != nil {
		return Peer{}, fmt.Errorf("peer of a connection: %w", asked)
	}
	return p, nil
}
