// Package passwordfile keeps logins in files for programs that read a password, or a whole
// configuration, from one: a file for all hosts, or one for each host, account or region.
//
// A file is replaced whole, so that no reader meets half of one, and its mode is never wider
// than configured. It is the daemon's file: a link or anything else that is no regular file is
// refused, and what a file holds that others may write is not kept. Between two processes there is
// no lock: of a file for several hosts, one can undo what the other has just written, which
// the daemon finds within a second.
package passwordfile

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/renew"
)

// Target keeps the files of one setting. It is safe for concurrent use; calls take turns.
type Target struct {
	settings
	dir string
	// What follows belongs to the call that has the lock of the directory; see locks.
	account *account        // who files belong to; nil until it is known
	files   map[string]kept // what was written, by file name
	as      *osuser.Account // who wrote it; nil for this process as it is
	swept   bool            // what a killed process has left is cleared away
}

// kept is what a file held when it was last written.
type kept struct {
	fingerprint
	hosts map[string]login.Secret
	// displaced are hosts whose password another one has replaced. Who comes back is still wanted.
	displaced []string
}

var (
	_ renew.Checker  = (*Target)(nil)
	_ renew.Remover  = (*Target)(nil)
	_ renew.Releaser = (*Target)(nil)
	_ renew.Warner   = (*Target)(nil)
)

func newTarget(s settings) *Target {
	return &Target{settings: s, dir: filepath.Dir(s.Path), files: map[string]kept{}}
}

// String names the file.
func (t *Target) String() string { return t.Path }

// byFile sorts logins by the file that they belong in.
func (t *Target) byFile(logins []login.Login) (map[string][]login.Login, error) {
	files := map[string][]login.Login{}
	for _, l := range logins {
		name, err := t.fileOf(l.Host)
		if err != nil {
			return nil, err
		}
		files[name] = append(files[name], l)
	}
	return files, nil
}

// Store puts the logins into their files. Its error is a *fault.Error, or a fault.List for the
// files that failed.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	return t.each(ctx, "store logins", logins, true, func(d *directory, name string, logins []login.Login) error {
		was, err := d.read(name)
		if err != nil {
			return err
		}
		before := t.files[name]
		hosts, displaced := map[string]login.Secret{}, before.displaced
		switch {
		case t.single():
			// Two entries of the configuration lead here if one of them names no account.
			for _, l := range logins {
				if slices.Contains(displaced, l.Host) {
					return fmt.Errorf("%w another registry and %s", errShared, l.Host)
				}
			}
			for host := range before.hosts {
				if !slices.ContainsFunc(logins, func(l login.Login) bool { return l.Host == host }) {
					displaced = append(displaced, host)
				}
			}
		case was.fingerprint == before.fingerprint && was.denied:
			return errUnreadable
		case was.fingerprint == before.fingerprint:
			maps.Copy(hosts, before.hosts)
		}
		content, err := t.format().with(was.content, logins)
		if err != nil {
			return err
		}
		now := was.fingerprint
		if !bytes.Equal(content, was.content) || !d.dressed(was) {
			if now, err = d.write(name, content); err != nil {
				return err
			}
		}
		for _, l := range logins {
			hosts[l.Host] = l.Secret
		}
		t.files[name] = kept{now, hosts, displaced}
		return nil
	})
}

// Stale reports whether a file is another one than Store has left. It costs a stat for each.
func (t *Target) Stale(ctx context.Context, logins []login.Login) (stale bool, err error) {
	err = t.within(ctx, func(context.Context) error {
		files, err := t.byFile(logins)
		for name, logins := range files {
			known := t.files[name]
			var now fingerprint
			if now, err = t.look(name); err != nil {
				return err
			}
			if now != known.fingerprint || slices.ContainsFunc(logins, func(l login.Login) bool { return !known.hosts[l.Host].Equal(l.Secret) }) {
				stale = true
			}
		}
		return err
	})
	if err != nil {
		return false, t.fault("look at", err)
	}
	return stale, nil
}

// look returns the fingerprint of a file; the zero one where there is none.
func (t *Target) look(name string) (fingerprint, error) {
	var st unix.Stat_t
	stat := func() error {
		return atfile.StatAt(unix.AT_FDCWD, filepath.Join(t.dir, name), &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	err := stat()
	if t.as != nil && err == unix.EACCES {
		err = osuser.As(t.as, stat)
	}
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return fingerprint{}, nil
	}
	return fingerprintOf(&st), err
}

// Remove takes out those of the logins that are still there as they were stored, and a file
// with nothing else in it.
func (t *Target) Remove(ctx context.Context, logins []login.Login) error {
	return t.each(ctx, "remove logins", logins, false, func(d *directory, name string, logins []login.Login) error {
		gone := func(host string) bool {
			return slices.ContainsFunc(logins, func(l login.Login) bool { return l.Host == host })
		}
		return t.takeOut(d, name, gone, func(content []byte) []byte { return t.format().without(content, logins) })
	})
}

// Release is Remove: beyond the logins, nothing is kept of a host.
func (t *Target) Release(ctx context.Context, logins []login.Login) error {
	return t.Remove(ctx, logins)
}

// Forget takes out of every file that the path stands for what looks like a login of ours: of
// the user AWS where the format names one, and a token by its form otherwise.
func (t *Target) Forget(ctx context.Context, ours func(host string) bool) error {
	err := t.within(ctx, func(ctx context.Context) error {
		return t.visit(ctx, false, func(d *directory) error {
			names, err := t.named(d, ours)
			for _, name := range names {
				if err := t.takeOut(d, name, ours, func(content []byte) []byte { return t.format().forget(content, ours) }); err != nil {
					return fmt.Errorf("%q: %w", name, err)
				}
			}
			return err
		})
	})
	if err != nil {
		return t.fault("remove logins from", err)
	}
	return nil
}

// takeOut makes a file what edit leaves of it, which takes out the hosts that are gone. What is no
// regular file holds no login of ours.
func (t *Target) takeOut(d *directory, name string, gone func(host string) bool, edit func([]byte) []byte) error {
	was, err := d.readOurs(name)
	if err != nil || len(was.content) == 0 {
		return err
	}
	left := edit(was.content)
	if bytes.Equal(left, was.content) {
		return nil
	}
	before := t.files[name]
	delete(t.files, name)
	if len(left) == 0 {
		return d.unlink(name)
	}
	now, err := d.write(name, left)
	if err == nil && before.fingerprint == was.fingerprint { // the logins of other grants are there as before
		maps.DeleteFunc(before.hosts, func(host string, _ login.Secret) bool { return gone(host) })
		t.files[name] = kept{now, before.hosts, before.displaced}
	}
	return err
}

// Warning says that everybody may read the files, where that is configured.
func (t *Target) Warning(context.Context) string {
	const others = 0o004
	if t.Mode&others == 0 {
		return ""
	}
	return fmt.Sprintf("the mode %04o lets every account of this host read the password in %s: set `group` and a mode such as \"0640\"", t.Mode, t.Path)
}

// each does something with the files of the logins, in the directory.
func (t *Target) each(ctx context.Context, op string, logins []login.Login, create bool, do func(*directory, string, []login.Login) error) error {
	var failed fault.List
	err := t.within(ctx, func(ctx context.Context) error {
		files, err := t.byFile(logins)
		if err != nil {
			return err
		}
		var found fault.List
		err = t.visit(ctx, create, func(d *directory) error {
			for _, name := range slices.Sorted(maps.Keys(files)) {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := do(d, name, files[name]); err != nil {
					f := t.fault(op+" in", err)
					f.Op = fmt.Sprintf("%s in %q", op, filepath.Join(t.dir, name))
					for _, l := range files[name] {
						f.Hosts = append(f.Hosts, l.Host)
					}
					found = append(found, f)
				}
			}
			return d.sync()
		})
		failed = found // not before: who was waited for in vain goes on
		return err
	})
	if err != nil {
		return t.fault(op+" in", err)
	}
	return failed.Err()
}

// limit is how long a call may take: a file system that hangs has to be reported some time.
const limit = 30 * time.Second

// locks has a lock, a channel with room for one, for each directory in use. It is no field of
// Target, since after a reload the targets of both configurations work on the same files.
var locks sync.Map

var errHangs = &problem{"the file system does not answer", "check the file system: ls -l {dir}; a network server may be away"}

// within runs f alone, in a goroutine of its own, and returns when ctx or the limit is over. f
// then keeps the goroutine and the lock, so that there is at most one for each directory.
func (t *Target) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errHangs)
	defer cancel()
	value, _ := locks.LoadOrStore(t.dir, make(chan struct{}, 1))
	lock := value.(chan struct{})
	select {
	case lock <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	done := make(chan error, 1)
	go func() {
		err := f(ctx)
		<-lock
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errNotRegular is for what is in a file's place.
var errNotRegular = &problem{"not a regular file", "see what it is with `ls -ld {path}` and move it away"}

// errUnreadable: the file was given to its owner, say, and what else is in it must stay.
var errUnreadable = &problem{"this process may not read what is in it",
	"run ecr-refreshd as root or with CAP_DAC_READ_SEARCH (see docs/guides/password-files.md), or write {host} in the file's name for a file each"}

// errShared comes before the name of a registry.
var errShared = &problem{"one file is for the passwords of", "write {host} in the file's name for a file each, or format: dockerconfigjson"}
