package dockerconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxRounds bounds how often a file is written anew because another program
	// wrote in between. One such write is rare; so many in a row mean a loop gone
	// wild, which leaves no moment to write in.
	maxRounds = 500
	// A program that read the file while ours hid its, or a third program's, last
	// write is about to write without that. It is waited for this long.
	lingering   = 250 * time.Millisecond
	lingerRetry = 5 * time.Millisecond
)

// update brings the file to where edit leaves it as it is, and returns it. Other
// programs know no lock, so each round checks after the fact what it displaced: if
// that is not what the round had read, it goes back at once, and another round
// starts from there. Only what changed is written. An error of edit ends it.
func (s *session) update(ctx context.Context, edit func(*document) (bool, error)) (*document, error) {
	wrote := false
	for rounds := 0; rounds < maxRounds; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		was, doc, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		doc, replayed := s.replayed(doc)
		edited, err := edit(doc)
		if err != nil {
			return nil, err
		}
		if edited || replayed {
			rounds++
			s.placed = false
			content := doc.render()
			if len(s.changes) > 0 && checkSize(content) != nil {
				s.changes = nil // see replayed
				continue
			}
			done, err := s.replace(was, content)
			if err != nil {
				return nil, err
			}
			if !done {
				continue
			}
			wrote, s.placed = true, true
		}
		if time.Since(s.collided) > lingering {
			return doc, s.finish(wrote)
		}
		s.leave()
		if wait(ctx, lingerRetry) != nil {
			return doc, s.finish(wrote)
		}
	}
	return nil, errRestless
}

// replayed is the document with the changes that others made, and whether it lacked
// any of them. Changes that are too much for one file are given up, and their files
// stay: the logins of this moment must not fail for them, now and at every try.
func (s *session) replayed(doc *document) (*document, bool) {
	if len(s.changes) == 0 {
		return doc, false
	}
	before := doc.top.render()
	top := doc.top
	for _, c := range s.changes {
		top = c.replay(top)
	}
	after := top.render()
	merged, err := parseDocument(after)
	if err != nil {
		s.changes = nil
		return doc, false
	}
	return merged, !sameJSON(before, after)
}

// finish clears away what is in place again, and makes it all last.
func (s *session) finish(wrote bool) error {
	for _, c := range s.changes {
		if c.file != "" {
			unlinkat(s.dirfd, c.file)
		}
	}
	if !wrote {
		return nil
	}
	if err := unix.Fsync(s.dirfd); err != nil && err != unix.EINVAL { // EINVAL: nothing to sync on this file system
		return fmt.Errorf("write the directory to disk: %w", err)
	}
	return nil
}

// replace puts content in the file's place if that still is what was read, nil
// being no file, and reports whether it did. If not, it has left what other
// programs wrote in place, or taken it into s.changes.
func (s *session) replace(was *file, content []byte) (done bool, err error) {
	ours, err := s.write(content, was)
	if err != nil {
		return false, err
	}
	if !s.unchanged(was) {
		unlinkat(s.dirfd, ours)
		return false, nil
	}
	flags := uint(unix.RENAME_EXCHANGE)
	if was == nil {
		flags = unix.RENAME_NOREPLACE
	}
	err = renameat2(s.dirfd, ours, s.name, flags)
	if isUnsupported(err) {
		// All that is left is to look once more as late as possible.
		if !s.unchanged(was) {
			unlinkat(s.dirfd, ours)
			return false, nil
		}
		was = nil // nothing comes out that could be checked
		err = renameat2(s.dirfd, ours, s.name, 0)
	}
	switch {
	case err == unix.EEXIST || err == unix.ENOENT: // it came, or went, just now
		unlinkat(s.dirfd, ours)
		return false, nil
	case err != nil:
		unlinkat(s.dirfd, ours)
		return false, fmt.Errorf("replace the file: %w", err)
	case was == nil:
		return true, nil
	}
	return s.settle(ours, was, content)
}

// settle looks at what an exchange brought out under the name swap.
func (s *session) settle(swap string, was *file, content []byte) (done bool, err error) {
	limit := max(s.share, int64(len(content))) // what is larger is not ours, and waits for its own share
	out, err := readFile(s.dirfd, swap, limit)
	if err == nil && out.same(was) {
		unlinkat(s.dirfd, swap)
		return true, nil
	}
	back := renameat2(s.dirfd, swap, s.name, unix.RENAME_EXCHANGE)
	s.collided = time.Now()
	if back != nil {
		return false, s.keep(swap, was.content, out)
	}
	if out != nil { // in place again, unless a program that read ours writes over it
		_ = s.note("", was.content, out.content)
	}
	out, err = readFile(s.dirfd, swap, limit)
	if err == nil && bytes.Equal(out.content, content) {
		unlinkat(s.dirfd, swap)
		return false, nil
	}
	// Yet another write, made while ours was in place, is what came out now.
	return false, s.keep(swap, content, out)
}

var errDisplaced = errors.New("another program put something unreadable in the file's place; it is kept")

// keep remembers what another program made of base, for the next round.
func (s *session) keep(name string, base []byte, version *file) error {
	if version == nil {
		return fmt.Errorf("%w as %q", errDisplaced, name)
	}
	if err := s.note(name, base, version.content); err != nil {
		return fmt.Errorf("%w as %q: %w", errDisplaced, name, err)
	}
	return nil
}

// maxNoted bounds, in bytes, what a session remembers of others' changes: it does so
// over all its rounds, in whose shares that is not.
const maxNoted = 2 << 20

// note adds a change to s.changes, with the name of its file or none.
func (s *session) note(name string, base, version []byte) error {
	if s.noted += len(base) + len(version); s.noted > maxNoted {
		return tooLarge(maxNoted)
	}
	c, err := newChange(base, version)
	if err != nil {
		return err
	}
	c.file = name
	s.changes = append(s.changes, c)
	return nil
}

// unchanged reports whether the file is still the one that was read, as far as
// that can be told without reading it again.
func (s *session) unchanged(was *file) bool {
	var st unix.Stat_t
	err := fstatat(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if was == nil {
		return err == unix.ENOENT
	}
	// Not the whole fingerprint: a new hard link to the file changes its ctime.
	return err == nil && idOf(fingerprintOf(&st)) == idOf(was.fingerprint) && st.Size == was.size
}

// isUnsupported tells that the file system, or an old kernel, has no exchange.
func isUnsupported(err error) bool {
	return err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP
}
