// Package peerauth knows who asks on a Unix socket and who may have what: the
// kernel's word about the peer, and rules made of users and groups. What is
// asked for, and the answer, are the business of api.
package peerauth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxGroups bounds what is kept of a peer's supplementary groups; the kernel
// allows 65,536, a Windows domain some thousand. The ones beyond do not count.
const maxGroups = 4096

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

func peerOf(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	if cred.Uid == ^uint32(0) {
		return Peer{}, errors.New("the socket has no peer with an identity")
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return Peer{}, err
	}
	return Peer{PID: int(cred.Pid), UID: cred.Uid, GID: cred.Gid, Groups: groups}, nil
}

// peerGroups reads SO_PEERGROUPS. A kernel older than 4.13 does not know it; its
// peers then have no groups but their first.
func peerGroups(fd int) ([]uint32, error) {
	buf := make([]byte, 32*4)
	for {
		size := uint32(len(buf))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && int(size) > len(buf): // size is now what it takes
			buf = make([]byte, size)
		case errno == unix.ENOPROTOOPT, errno == unix.ENODATA:
			return nil, nil
		case errno != 0:
			return nil, errno
		default:
			return decodeGroups(buf[:size]), nil
		}
	}
}

func decodeGroups(b []byte) []uint32 {
	groups := make([]uint32, 0, min(len(b)/4, maxGroups))
	for chunk := range slices.Chunk(b[:cap(groups)*4], 4) {
		groups = append(groups, binary.NativeEndian.Uint32(chunk))
	}
	return groups
}
