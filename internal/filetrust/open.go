package filetrust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
)

// Open opens the regular file at path to read it, unless others could change it
// or where path leads. The error is an *Error, ErrNotRegular, or one of the file
// system.
func (r Rule) Open(path string) (*os.File, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	p, err := r.Walk(absolute)
	defer unix.Close(p.FD)
	if err != nil {
		return nil, err
	}
	at := filepath.Join(p.Path, p.Name)
	if p.Name == "" {
		return nil, fmt.Errorf("%q %w", at, ErrNotRegular)
	}
	// A link that has been put there since would lead past the rule.
	return open(p.FD, p.Name, at, unix.O_NOFOLLOW, r.Check)
}

// Open opens the regular file at path to read it, whoever could change it. The
// error is ErrNotRegular or one of the file system.
func Open(path string) (*os.File, error) {
	return open(unix.AT_FDCWD, path, path, 0, func(string, int) error { return nil })
}

// open does not wait for the other end of a FIFO.
func open(dirfd int, name, path string, flag int, check func(string, int) error) (*os.File, error) {
	fd, err := atfile.Open(dirfd, name, unix.O_RDONLY|unix.O_NONBLOCK|flag, 0)
	if errors.Is(err, unix.ENXIO) { // a socket
		return nil, fmt.Errorf("%q %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	switch err = atfile.Stat(fd, &st); {
	case err != nil:
		err = &fs.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = fmt.Errorf("%q %w", path, ErrNotRegular)
	default:
		err = check(path, fd)
	}
	if err != nil {
		_ = f.Close() // nothing was read
		return nil, err
	}
	return f, nil
}
