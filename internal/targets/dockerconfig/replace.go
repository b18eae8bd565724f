package dockerconfig

import (
	"context"
	"crypto/sha256"
	"fmt"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
)

// maxRounds bounds how often a file is written again because another program
// wrote in between. One such write is rare; so many in a row mean a loop gone
// wild, which leaves no moment to write in.
const maxRounds = 500

// update brings the file to where edit leaves it as it is, and returns it. Other
// programs know no lock, so each round checks after the fact what it displaced: if
// that is not what the round had read, it goes back at once, and another round
// starts from there. An error of edit ends it.
//
// A program that writes a file twice within a millisecond, the first time between our
// last look and our exchange, and reads it in between, misses its own first write.
func (s *session) update(ctx context.Context, edit func(*document) (bool, error)) (*document, error) {
	for range maxRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		was, doc, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		edited, err := edit(doc)
		if err != nil {
			return nil, err
		}
		if !edited {
			doc.sum = sha256.Sum256(was.data())
			return doc, nil
		}
		done, err := s.replace(was, doc)
		if err != nil {
			return nil, err
		}
		if !done {
			continue
		}
		if err := unix.Fsync(s.dirfd); err != nil && err != unix.EINVAL { // EINVAL: nothing to sync on this file system
			return nil, fmt.Errorf("write the directory to disk: %w", err)
		}
		return doc, nil
	}
	return nil, errRestless
}

// replace puts the document in the file's place if that still is what was read, nil
// being no file, and reports whether it did. If not, what another program wrote is in
// place.
func (s *session) replace(was *file, doc *document) (done bool, err error) {
	if s.inPlace && was != nil {
		content := doc.render()
		doc.sum = sha256.Sum256(content)
		return s.overwrite(was, content)
	}
	ours, err := s.write(doc, was)
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
	err = atfile.Rename(s.dirfd, ours, s.name, flags)
	if isUnsupported(err) {
		// All that is left is to look once more as late as possible.
		if !s.unchanged(was) {
			unlinkat(s.dirfd, ours)
			return false, nil
		}
		was = nil // nothing comes out that could be checked
		err = atfile.Rename(s.dirfd, ours, s.name, 0)
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
	return s.settle(ours, was, doc.sum)
}

// settle looks at what an exchange brought out under the name swap. If that is not
// was, another program wrote it, and it goes back. What comes out then should be what
// the exchange had placed, content of ours; a still newer write takes its place in the
// same way, so that the last one stands. It reports whether ours does. A process that is
// killed here takes that one write of the other program with it.
func (s *session) settle(swap string, was *file, placed digest) (done bool, err error) {
	out := s.sum(swap)
	if out == was.reading() {
		unlinkat(s.dirfd, swap)
		return true, nil
	}
	for range maxRounds {
		err := atfile.Rename(s.dirfd, swap, s.name, unix.RENAME_EXCHANGE)
		if err == unix.ENOENT { // another program has removed the file since
			unlinkat(s.dirfd, swap)
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("put back what another program wrote: %w", err)
		}
		expected := placed
		placed = out.sum
		if out = s.sum(swap); out.sum == expected {
			unlinkat(s.dirfd, swap)
			return false, nil
		}
	}
	return false, errRestless
}

// unchanged reports whether the file is still the one that was read, as far as
// that can be told without reading it again.
func (s *session) unchanged(was *file) bool {
	var st unix.Stat_t
	err := atfile.StatAt(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if was == nil {
		return err == unix.ENOENT
	}
	return err == nil && was.is(&st)
}

// isUnsupported tells that the file system, or an old kernel, has no exchange.
func isUnsupported(err error) bool {
	return err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP
}
