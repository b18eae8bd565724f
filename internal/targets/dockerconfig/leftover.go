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
// A swap whose own id is neither is what another program had written in between. While
// ours is in place, it goes back there; a login by docker must not vanish with a
// process of ours. Once somebody has written since, it goes: that write stands.
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
)

// recover clears away what a session before this one has left. Without the lock it does
// nothing: the files could be in use. What a stranger has put there it leaves alone.
func (s *session) recover(ctx context.Context) error {
	if !s.locked {
		return nil
	}
	names, err := s.leftovers()
	for _, name := range names {
		var st unix.Stat_t
		if fstatat(s.dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || s.rule.Owner(name, &st) != nil {
			continue
		}
		mark := strings.TrimPrefix(name, s.prefix())
		if rest, ok := strings.CutPrefix(mark, swapMark); ok && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size <= maxSize {
			ours, was, _ := strings.Cut(rest, "-")
			id := idOf(fingerprintOf(&st))
			if id != fileID(ours) && id != fileID(was) {
				if err := s.putBack(ctx, name, fileID(ours), st.Size); err != nil {
					return err
				}
			}
		} else if !strings.HasPrefix(mark, newMark) {
			continue
		}
		unlinkat(s.dirfd, name)
	}
	return err
}

// putBack puts what another program wrote back into the file's place, if ours is there.
func (s *session) putBack(ctx context.Context, swap string, ours fileID, size int64) error {
	var st unix.Stat_t
	if fstatat(s.dirfd, s.name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || idOf(fingerprintOf(&st)) != ours {
		return nil
	}
	if err := s.enter(ctx, max(size, st.Size)); err != nil {
		return err
	}
	placed, err := readFile(s.dirfd, s.name, s.share)
	if err != nil {
		return nil // somebody has written since
	}
	_, err = s.settle(swap, nil, placed.content)
	return err
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
