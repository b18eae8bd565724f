package dockerconfig

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Names of our files beside the target, hidden and cleared away by the session that
// made them. A process that is killed leaves one behind; its name then tells
// the next session what it is:
//
//	.config.json.ecr-refreshd-new-RANDOM    a file of ours that never was in place
//	.config.json.ecr-refreshd-swap-OURS-WAS a file that was to be exchanged: OURS is the
//	                                        id of our new one, WAS that of the one it was made from
//
// A swap whose own id is neither is what another program had written in between.
// Its content is missing in the target, or is there as part of a later write.
const (
	newMark  = "new-"
	swapMark = "swap-"
)

// fileID tells two versions of a file apart. The inode's number alone would not do:
// file systems use a free one again at once.
type fileID string

func idOf(f fingerprint) fileID {
	return fileID(fmt.Sprintf("%x.%x.%x", f.ino, f.mtime.Sec, f.mtime.Nsec))
}

func (s *session) prefix() string { return "." + s.name + ".ecr-refreshd-" }

func (s *session) unusedName() string { return s.prefix() + newMark + rand.Text() }

func (s *session) swapName(ours, was fileID) string {
	return s.prefix() + swapMark + string(ours) + "-" + string(was)
}

// A directory with more entries, or more leftovers, than these is not searched
// any further in one go: its owner may have stuffed it.
const (
	maxEntries   = 10_000
	maxLeftovers = 16
	// maxLeftover bounds, in bytes, what is read of them in one go.
	maxLeftover = 1 << 20
)

// recover clears away what a session before this one has left, and takes what
// belongs back into the file into s.changes. Without the lock it does nothing: the
// files could be in use. What a stranger has put there it leaves alone.
func (s *session) recover(ctx context.Context) error {
	if !s.locked {
		return nil
	}
	names, err := s.leftovers()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return nil
	}
	if err := s.enter(ctx, leastShare); err != nil {
		return err
	}
	budget := int64(maxLeftover)
	for _, name := range names {
		var st unix.Stat_t
		if fstatat(s.dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || !s.trusts(st.Uid) {
			continue
		}
		mark := strings.TrimPrefix(name, s.prefix())
		if strings.HasPrefix(mark, newMark) {
			unlinkat(s.dirfd, name)
		} else if rest, ok := strings.CutPrefix(mark, swapMark); ok {
			ours, was, _ := strings.Cut(rest, "-")
			if id := idOf(fingerprintOf(&st)); id == fileID(ours) || id == fileID(was) {
				unlinkat(s.dirfd, name)
				continue
			}
			budget -= s.recoverSwap(name, fileID(ours), budget)
		}
	}
	return nil
}

// recoverSwap deals with what another program wrote and an exchange has left, and gives
// the bytes that it had to read, at most budget. What is larger or makes no sense
// stays where it is: it may be all that is left of somebody's logins.
func (s *session) recoverSwap(name string, ours fileID, budget int64) (size int64) {
	left, err := readFile(s.dirfd, name, budget)
	if err != nil {
		return 0
	}
	size = int64(len(left.content))
	var st unix.Stat_t
	if fstatat(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && idOf(fingerprintOf(&st)) == ours {
		// Ours is in place still, and nobody has built upon it.
		if _, err := parseDocument(left.content); err != nil {
			return size
		}
		now, err := readFile(s.dirfd, s.name, maxLeftover)
		if err == nil && renameat2(s.dirfd, name, s.name, unix.RENAME_EXCHANGE) == nil {
			_, _ = s.settleRecovered(name, now)
			return size
		}
	}
	_ = s.keep(name, nil, left)
	return size
}

// settleRecovered looks at what came out when a leftover went back in place.
func (s *session) settleRecovered(name string, ours *file) (done bool, err error) {
	out, err := readFile(s.dirfd, name, maxLeftover)
	if err == nil && out.same(ours) {
		unlinkat(s.dirfd, name)
		return true, nil
	}
	return false, s.keep(name, ours.content, out)
}

// leftovers lists the files of ours in the directory.
func (s *session) leftovers() ([]string, error) {
	fd, err := openDir(s.dirfd, ".")
	if err != nil {
		return nil, fmt.Errorf("open the directory: %w", err)
	}
	dir := os.NewFile(uintptr(fd), ".")
	defer dir.Close()
	var found []string
	for seen := 0; seen < maxEntries && len(found) < maxLeftovers; {
		names, err := dir.Readdirnames(256)
		seen += len(names)
		for _, name := range names {
			if strings.HasPrefix(name, s.prefix()) {
				found = append(found, name)
			}
		}
		if err != nil {
			break // the end, or what reading the file itself will report
		}
	}
	return found[:min(len(found), maxLeftovers)], nil
}
