package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Open opens the regular file at path to read it, unless others could change it
// or where path leads. The error is an *Error, ErrNotRegular, or one of the file
// system.
func (r Rule) Open(path string) (*os.File, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	at, err := r.Follow(absolute)
	if err != nil {
		return nil, err
	}
	// A link that has been put there since would lead past the rule.
	return open(at, unix.O_NOFOLLOW, r.Check)
}

// Open opens the regular file at path to read it, whoever could change it. The
// error is ErrNotRegular or one of the file system.
func Open(path string) (*os.File, error) {
	return open(path, 0, func(string, fs.FileInfo) error { return nil })
}

// open does not wait for the other end of a FIFO.
func open(path string, flag int, check func(string, fs.FileInfo) error) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|flag, 0)
	if errors.Is(err, unix.ENXIO) { // a socket
		return nil, fmt.Errorf("%q %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%q %w", path, ErrNotRegular)
	default:
		err = check(path, info)
	}
	if err != nil {
		_ = f.Close() // nothing was read
		return nil, err
	}
	return f, nil
}
