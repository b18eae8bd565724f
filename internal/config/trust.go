package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// trust decides whether somebody else than root and the caller could change a
// file: by its owner and mode, and by those of every directory and symbolic
// link on the way to it.
type trust struct {
	uid uint32
	// private reports whether a group has no member but the owner.
	private func(gid, owner uint32) bool
}

func caller() trust { return trust{uid: uint32(os.Geteuid()), private: privateGroup} }

// walk follows path as the kernel would and gives it without symbolic links.
func (t trust) walk(path string) (string, error) {
	const maxLinks = 40 // as Linux has it
	at, links := "/", 0
	if err := t.directory(at); err != nil {
		return "", err
	}
	for rest := split(path); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name) // ".." is right here, as at has no links
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			if err := t.owner(next, info); err != nil {
				return "", err
			}
			to, err := os.Readlink(next)
			if err != nil {
				return "", err
			}
			if filepath.IsAbs(to) {
				at = "/"
			}
			rest = append(split(to), rest...)
		case len(rest) > 0 || info.IsDir():
			if err := t.directory(next); err != nil {
				return "", err
			}
			at = next
		default:
			at = next
		}
	}
	return at, nil
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// directory refuses one in which others may replace files that are not theirs.
func (t trust) directory(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	if err := t.owner(path, info); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	return t.mode(path, info)
}

// file refuses what is not a regular file, and one that others may write.
func (t trust) file(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q is not a regular file; write the configuration into one", path)
	}
	if err := t.owner(path, info); err != nil {
		return err
	}
	return t.mode(path, info)
}

func (t trust) owner(path string, info fs.FileInfo) error {
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 && uid != t.uid {
		return fmt.Errorf("%q belongs to uid %d, who could change the configuration; run: chown -h %d %q", path, uid, t.uid, path)
	}
	return nil
}

func (t trust) mode(path string, info fs.FileInfo) error {
	const groupWrite, othersWrite = 0o020, 0o002
	stat := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&othersWrite != 0:
		return fmt.Errorf("%q has mode %04o, so that anybody could change the configuration; run: chmod go-w %q", path, info.Mode().Perm(), path)
	case info.Mode()&groupWrite != 0 && stat.Gid != 0 && !t.private(stat.Gid, stat.Uid):
		return fmt.Errorf("%q has mode %04o, so that the group %d could change the configuration; run: chmod g-w %q", path, info.Mode().Perm(), stat.Gid, path)
	}
	return nil
}

// privateGroup reports whether gid is a group of the owner's own, as most
// distributions make one for every user: of the same name, the owner's primary
// group, and without other members.
func privateGroup(gid, owner uint32) bool {
	u, err := user.LookupId(strconv.FormatUint(uint64(owner), 10))
	if err != nil || u.Gid != strconv.FormatUint(uint64(gid), 10) {
		return false
	}
	f, err := os.Open("/etc/group")
	if err != nil {
		return false
	}
	defer f.Close()
	return ownGroup(f, u.Username, u.Gid)
}

// ownGroup looks gid up in the lines of /etc/group: name:password:gid:members.
func ownGroup(groups io.Reader, account, gid string) bool {
	lines := bufio.NewScanner(groups)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 4 && fields[2] == gid {
			return fields[0] == account && (fields[3] == "" || fields[3] == account)
		}
	}
	return false
}

// openRegular opens without waiting for the other end of a FIFO, and without
// following a link that has been put there since.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("%q is not a regular file; write the configuration into one", path)
	}
	return f, err
}
