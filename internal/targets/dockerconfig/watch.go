package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
)

const (
	// interval is how often a place that cannot be watched, for now, is looked at.
	interval = time.Second
	// gathering is how long after a change the next one is not waited for: a rewrite
	// is some events, and a program that rewrites all the time must cost little.
	gathering = 250 * time.Millisecond
	// rearming is how often watches are set up again without a change: the account's
	// home may be another now, or a file system may have been mounted on the way.
	rearming = time.Minute
	// maxNoise is how many changes of other files in the watched directories are sorted
	// out before the place counts as one that cannot be watched for this moment.
	maxNoise = 500
	// maxLinks is how many symbolic links Linux follows in one path.
	maxLinks = 40
	// maxWatches bounds what the account's links can make this process watch.
	maxWatches = 64
)

// watch tells those who keep logins in a place that something there may have changed.
// One goroutine does it for all of them, and runs as long as there is one.
type watch struct {
	mu      sync.Mutex
	changed map[*bool]func()
	stop    context.CancelFunc
}

// Watch is as renew.Watcher has it. What no watch shows, the look of each minute does:
// a write into memory that is mapped, and a file system mounted on the way.
func (p *place) Watch(ctx context.Context, changed func()) {
	key := new(bool)
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	if len(p.watch.changed) == 0 {
		var running context.Context
		running, p.watch.stop = context.WithCancel(context.WithoutCancel(ctx))
		p.watch.changed = map[*bool]func(){}
		go p.keepWatch(running)
	}
	p.watch.changed[key] = changed
	context.AfterFunc(ctx, func() {
		p.watch.mu.Lock()
		defer p.watch.mu.Unlock()
		if delete(p.watch.changed, key); len(p.watch.changed) == 0 {
			p.watch.stop()
		}
	})
}

func (p *place) tellAll() {
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	for _, changed := range p.watch.changed {
		changed()
	}
}

// keepWatch tells of changes until ctx ends. After each it sets up all watches again,
// and then tells once more: nothing that happens in between is lost.
func (p *place) keepWatch(ctx context.Context) {
	var last fingerprint
	for changed := true; ctx.Err() == nil; {
		w, ok := p.whereabouts(ctx)
		if !ok {
			_ = wait(ctx, interval)
			continue
		}
		watches, err := newWatches(w.path)
		if w.glance(&last) || changed {
			p.tellAll()
		}
		if changed = false; err != nil {
			_ = wait(ctx, interval)
			continue
		}
		var pause time.Duration
		changed, pause = watches.wait(ctx)
		watches.close()
		if changed {
			p.tellAll()
		}
		_ = wait(ctx, pause)
	}
}

// whereabouts is the site, if it is known: an account that Store has not found yet has
// no logins of ours that could be undone.
func (p *place) whereabouts(ctx context.Context) (site, bool) {
	w, err := inTurn(ctx, p, "", func(ctx context.Context) (site, error) {
		if p.user != "" && p.account == nil {
			return site{}, errors.New("the account is not known yet")
		}
		return p.resolve(ctx, false)
	})
	return w, err == nil
}

// glance reports whether the file may be another than at the last glance, which it replaces.
// A change in the same tick of the clock as the one before looks like none; see tick.
func (w site) glance(last *fingerprint) bool {
	var st unix.Stat_t
	var now fingerprint // of a file that is not there, or hidden
	if w.stat(w.path, &st) == nil {
		now = fingerprintOf(&st)
	}
	changed := now != *last || time.Since(now.changedAt()) <= tick+interval
	*last = now
	return changed
}

// watches are those on every directory that has a part of a path: whatever can put
// another file in the place of the one at its end is a change in one of them.
type watches struct {
	*fsnotify.Watcher
	names map[string]bool // the paths whose change matters
}

// newWatches watches a path from the root on, through links. A directory is watched
// before what is in it is looked at, so that a change in between is not lost. This
// process's own rights serve: nothing is read or written, and what a change leads to is a
// look with the rights of the account. An error means that it has to be looked at.
func newWatches(path string) (*watches, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watches{events, map[string]bool{}}
	if err := w.follow(path); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *watches) close() { _ = w.Close() } // it never fails

func (w *watches) follow(path string) error {
	at, links := "/", 0
	for rest := split(path); ; {
		if err := w.add(at); err != nil || len(rest) == 0 {
			return err
		}
		next := filepath.Join(at, rest[0]) // right for .. too: there are no links in at
		rest = rest[1:]
		w.names[next] = true
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if links++; links > maxLinks {
			return unix.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
		rest = append(split(target), rest...)
	}
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// add watches a directory, or the file itself, which may be written to by another name.
func (w *watches) add(path string) error {
	var st unix.Statfs_t
	if err := atfile.Retry(func() error { return unix.Statfs(path, &st) }); err != nil {
		return err
	}
	if hidesChanges(uint32(st.Type)) || len(w.WatchList()) == maxWatches {
		return fmt.Errorf("%q cannot be watched", path)
	}
	err := w.Add(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went just now, which the watch above shows
	}
	return err
}

// hidesChanges reports whether a file system has changes that this kernel does not
// know of, such as those by other hosts.
func hidesChanges(kind uint32) bool {
	const lustre, gpfs, gfs2 = 0x0bd00bd0, 0x47504653, 0x01161970
	switch kind {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.V9FS_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC,
		unix.OCFS2_SUPER_MAGIC, lustre, gpfs, gfs2:
		return true
	}
	return false
}

// wait waits until something may have changed, and says whether it has, and how long to
// wait before the next look.
func (w *watches) wait(ctx context.Context) (changed bool, pause time.Duration) {
	again := time.NewTimer(rearming)
	defer again.Stop()
	for range maxNoise {
		select {
		case e := <-w.Events:
			if w.names[e.Name] {
				return true, gathering
			}
		case <-w.Errors: // changes were lost
			return true, gathering
		case <-again.C:
			return false, 0
		case <-ctx.Done():
			return false, 0
		}
	}
	return false, interval - gathering
}
