package dockerconfig

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
)

// look is what one reading of the file has shown, kept for as long as the file's
// fingerprint stays the same. It holds no logins, only digests of them.
type look struct {
	fingerprint
	at      time.Time            // just before the reading
	auths   map[string]digest    // by key of the main section; zero if it is not a plain login
	spelled map[string]int       // how many keys mean a host, by host in lower case
	helpers helpers              // which may hide the logins
	fine    map[checked]struct{} // logins found to be right
}

type digest [sha256.Size]byte

// checked identifies a login that was compared; two Secrets are equal only if
// one is a copy of the other, which is all that is needed.
type checked struct {
	host, username string
	secret         login.Secret
}

const (
	// tick is the coarsest clock of a file system: a change younger than this may
	// be followed by another that leaves the same fingerprint.
	tick = 2 * time.Second
	// rereading is how often such a young file is read again.
	rereading = 250 * time.Millisecond
)

// Stale reports whether one of the logins is not in the file as Store leaves it, or
// docker will look for it elsewhere. It is also true when the file cannot be read:
// Store then says why. It is false while the account, or the home, is not there:
// no login can be undone in a place that does not exist. Unless the file has
// changed it costs one stat. An error means that there was no answer in time.
func (t *Target) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	stale, err := inTurn(ctx, t, func(ctx context.Context) (bool, error) {
		w, err := t.site(ctx, false)
		if err != nil {
			return false, ctx.Err()
		}
		return t.stale(w, logins), nil
	})
	if err != nil {
		return false, fmt.Errorf("look at %q: %w", t, err)
	}
	return stale, nil
}

func (t *Target) stale(w site, logins []login.Login) bool {
	var st unix.Stat_t
	err := w.stat(w.path, &st)
	if err == unix.ENOENT {
		return w.stat(filepath.Dir(filepath.Dir(w.path)), &st) != unix.ENOENT
	}
	if err != nil {
		return true
	}
	if !t.look.covers(fingerprintOf(&st), time.Now()) {
		t.look = w.look()
	}
	return !t.look.holds(logins)
}

// stat asks as this process, which costs less than to act as the account, unless
// that is refused: root has no rights in some network homes.
func (w site) stat(path string, st *unix.Stat_t) error {
	plain := func() error { return fstatat(unix.AT_FDCWD, path, st, 0) }
	err := plain()
	if w.as != nil && (err == unix.EACCES || err == unix.EPERM) {
		err = as(w.as, plain)
	}
	return err
}

// look reads the file; nil when that is not possible.
func (w site) look() *look {
	at := time.Now()
	var l *look
	_ = w.do(func() error { // Store says what is wrong
		f, err := readFile(unix.AT_FDCWD, w.path, 0)
		if err != nil {
			return err
		}
		l = &look{fingerprint: f.fingerprint, at: at}
		if doc, err := parseDocument(f.content); err == nil {
			l.note(doc)
		}
		return nil
	})
	return l
}

func (l *look) note(d *document) {
	l.auths, l.spelled = map[string]digest{}, map[string]int{}
	l.helpers, l.fine = d.helpers(), map[checked]struct{}{}
	for _, s := range d.sections {
		for _, m := range s.entries {
			l.spelled[strings.ToLower(bareHost(m.key))]++
			if !s.main {
				continue
			}
			l.auths[m.key] = digest{}
			if auth := authOf(m.value, true); auth != "" {
				l.auths[m.key] = sha256.Sum256([]byte(auth))
			}
		}
	}
}

// covers reports whether the look still tells what is in a file that now has
// the fingerprint f.
func (l *look) covers(f fingerprint, now time.Time) bool {
	if l == nil || l.fingerprint != f {
		return false
	}
	return l.at.Sub(f.changedAt()) > tick || now.Sub(l.at) < rereading
}

// holds reports whether the file has all of the logins where docker finds them.
func (l *look) holds(logins []login.Login) bool {
	if l == nil || l.fine == nil {
		return false
	}
	for _, want := range logins {
		key := checked{want.Host, want.Username, want.Secret}
		if _, ok := l.fine[key]; ok {
			continue
		}
		if l.spelled[strings.ToLower(want.Host)] != 1 || l.helpers.hide(want.Host) ||
			l.auths[want.Host] != sha256.Sum256([]byte(want.Basic().Reveal())) {
			return false
		}
		l.fine[key] = struct{}{}
	}
	return true
}
