package restart

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	// sizeLimit bounds, in bytes, what is written and read: room for some three
	// thousand tokens of today's size.
	sizeLimit = 16 << 20
)

// sealed makes a file in memory that holds data and that nobody can change
// any more, whoever has a descriptor of it.
func sealed(data []byte) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(prefix, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.3
		fd, err = unix.MemfdCreate(prefix, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), prefix)
	if err := fill(f, data); err != nil {
		f.Close()
		return nil, fmt.Errorf("fill a file in memory: %w", err)
	}
	return f, nil
}

func fill(f *os.File, data []byte) error {
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return err
}

// unsealed reads the whole of a file that sealed has made. The caller clears
// what it gets when it is done with it.
func unsealed(f *os.File) ([]byte, error) {
	if have, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || have&seals != seals {
		return nil, errors.New("it is not a sealed file in memory")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > sizeLimit {
		return nil, fmt.Errorf("its %d bytes are more than %d", info.Size(), sizeLimit)
	}
	data := make([]byte, info.Size())
	// The offset is shared with whoever else has the file open, so it is not used.
	if _, err := f.ReadAt(data, 0); err != nil {
		clear(data)
		return nil, err
	}
	return data, nil
}
