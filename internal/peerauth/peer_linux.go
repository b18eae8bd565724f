package peerauth

import (
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxGroups bounds what is kept of a peer's supplementary groups; the kernel
// allows 65,536, a Windows domain some thousand. The ones beyond do not count.
const maxGroups = 4096

// peerOf reads SO_PEERCRED and SO_PEERGROUPS of a socket.
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
