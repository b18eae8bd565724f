// Package atfile has the system calls for files in an open directory, each repeated when a signal
// interrupts it, which can happen on network file systems. It decides nothing about the files.
package atfile

import "golang.org/x/sys/unix"

// Retry calls until no signal interrupts the call.
func Retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// Open is openat(2), with O_CLOEXEC.
func Open(dirfd int, name string, flags int, mode uint32) (fd int, err error) {
	err = Retry(func() error {
		fd, err = unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// Stat is fstat(2).
func Stat(fd int, st *unix.Stat_t) error {
	return Retry(func() error { return unix.Fstat(fd, st) })
}

// StatAt is fstatat(2).
func StatAt(dirfd int, name string, st *unix.Stat_t, flags int) error {
	return Retry(func() error { return unix.Fstatat(dirfd, name, st, flags) })
}

// Rename is renameat2(2) within a directory.
func Rename(dirfd int, from, to string, flags uint) error {
	return Retry(func() error { return unix.Renameat2(dirfd, from, dirfd, to, flags) })
}
