package dockerconfig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
	"ecr-refreshd/internal/login"
)

// look is what one reading of the file has shown of the hosts that were asked for,
// kept for as long as the file's fingerprint stays the same. It holds no logins,
// only digests of them.
type look struct {
	fingerprint
	at    time.Time         // just before the reading
	sum   digest            // of the file's content
	hosts map[string]*entry // by host, those asked for; nil for a file that cannot be read
}

// entry is what the file has for a host.
type entry struct {
	auth    digest // zero if it is not a plain login in the main section
	spelled int    // how many keys mean the host
	hidden  bool   // docker does not read it
	helped  bool   // docker asks our credential helper, by an entry of its own
}

type digest [sha256.Size]byte

const (
	// tick is the coarsest clock of a file system: a change younger than this may
	// be followed by another that leaves the same fingerprint.
	tick = 2 * time.Second
	// rereading is how often such a young file is read again.
	rereading = 250 * time.Millisecond
)

// undone reports whether a look at the file, or its absence, does not show what
// shows is to find there for the logins. See Target.Stale.
func (p *place) undone(ctx context.Context, logins []login.Login, shows func(*look, []login.Login) bool) (bool, error) {
	const op = "look for logins"
	return inTurn(ctx, p, op, func(ctx context.Context) (bool, error) {
		w, err := p.resolve(ctx, false)
		if err != nil && ctx.Err() == nil {
			return false, nil
		}
		var st unix.Stat_t
		if err == nil {
			switch err = w.stat(w.path, &st); {
			case err == unix.ENOENT:
				return w.stat(w.base(), &st) != unix.ENOENT, nil
			case err != nil:
				return true, nil
			}
			err = p.see(ctx, w, fingerprintOf(&st), hostsOf(logins))
		}
		if err != nil {
			return false, w.fault(op, err)
		}
		return !shows(p.look, logins), nil
	})
}

// see makes sure that p.look tells what is in the file, which now has the fingerprint
// f. An error means that there was nothing to look with.
func (p *place) see(ctx context.Context, w site, f fingerprint, hosts []string) error {
	p.ask(hosts)
	if p.look.covers(f, time.Now()) && p.look.answers(hosts) {
		return nil
	}
	bytes, giveBack, err := takeShare(ctx, f.size)
	if err != nil {
		return err
	}
	defer giveBack()
	if p.look.answers(hosts) && w.same(p.look, bytes) {
		return nil
	}
	look, err := w.look(p.asked, bytes)
	if isExhausted(err) {
		return err
	}
	p.look = look
	return nil
}

// ask remembers what looks are for.
func (p *place) ask(hosts []string) {
	if p.asked == nil {
		p.asked = map[string]struct{}{}
	}
	for _, h := range hosts {
		p.asked[h] = struct{}{}
	}
}

// stat asks as this process, which costs less than to act as the account, unless
// that is refused: root has no rights in some network homes.
func (w site) stat(path string, st *unix.Stat_t) error {
	plain := func() error { return atfile.StatAt(unix.AT_FDCWD, path, st, 0) }
	err := plain()
	if w.as != nil && (err == unix.EACCES || err == unix.EPERM) {
		err = as(w.as, plain)
	}
	return err
}

// same reports whether the file's content is still that of the look, which then is one of
// now: a young file is read several times, and may be large.
func (w site) same(l *look, limit int64) (same bool) {
	if l == nil || l.hosts == nil {
		return false
	}
	at := time.Now()
	_ = as(w.as, func() error { // what is wrong, a whole reading says
		dirfd, name, err := find(w.rule(), w.path, 0)
		if err != nil {
			return err
		}
		now, f, err := sumFile(dirfd, name, limit)
		_ = unix.Close(dirfd)
		if same = err == nil && now.sum == l.sum; same {
			l.fingerprint, l.at = f, at
		}
		return err
	})
	return same
}

// look reads the file of at most limit bytes, for the hosts asked for; nil, and why,
// when that is not possible.
func (w site) look(asked map[string]struct{}, limit int64) (l *look, err error) {
	at := time.Now()
	err = as(w.as, func() error {
		dirfd, name, err := find(w.rule(), w.path, 0)
		if err != nil {
			return err
		}
		f, err := readFile(dirfd, name, limit)
		_ = unix.Close(dirfd)
		if err != nil {
			return err
		}
		l = &look{fingerprint: f.fingerprint, at: at, sum: sha256.Sum256(f.content)}
		if doc, err := parseDocument(f.content); err == nil {
			l.note(doc, w.view(doc), asked)
		}
		return nil
	})
	return l, err
}

// wrote makes what a session has left in the file the last look, as far as the first look
// that follows finds it there. It is for the call that has the turn.
func (p *place) wrote(d *document, view view) {
	p.look = &look{sum: d.sum}
	p.look.note(d, view, p.asked)
}

func (l *look) note(d *document, view view, asked map[string]struct{}) {
	l.hosts = make(map[string]*entry, len(asked))
	lower := make(map[string][]*entry, len(asked)) // by host in lower case
	helped, _ := d.helped(view)
	for host := range asked {
		does := view.Login(host)
		e := &entry{hidden: does.Fault != nil && !does.NoLogin() || does.Helper != "" && !does.Ours(), helped: helped[host] && does.Fault == nil}
		l.hosts[host] = e
		lower[strings.ToLower(host)] = append(lower[strings.ToLower(host)], e)
	}
	var last json.RawMessage // hosts of a token have it in a row, and it is long
	var auth digest
	for _, s := range d.sections {
		for _, m := range s.entries {
			for _, e := range lower[strings.ToLower(bareHost(m.key))] {
				e.spelled++
			}
			e := l.hosts[m.key]
			if e == nil || !s.main {
				continue
			}
			if !bytes.Equal(m.value, last) {
				last, auth = m.value, digest{}
				if text := authOf(m.value, true); text != "" {
					auth = sha256.Sum256([]byte(text))
				}
			}
			e.auth = auth
		}
	}
}

// answers reports whether the look was for all of the hosts.
func (l *look) answers(hosts []string) bool {
	return l == nil || l.hosts == nil || // of each, that it is not there
		!slices.ContainsFunc(hosts, func(h string) bool { return l.hosts[h] == nil })
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
	var last login.Token // those of a token are in a row, and it is long
	var auth digest
	return l.all(logins, func(want login.Login, e *entry) bool {
		if auth == (digest{}) || want.Token != last {
			last, auth = want.Token, sha256.Sum256([]byte(want.Basic().Reveal()))
		}
		return e.spelled == 1 && !e.hidden && e.auth == auth
	})
}

// helps reports whether docker asks our credential helper for all of the hosts.
func (l *look) helps(logins []login.Login) bool {
	return l.all(logins, func(_ login.Login, e *entry) bool { return e.helped })
}

func (l *look) all(logins []login.Login, is func(login.Login, *entry) bool) bool {
	return l != nil && l.hosts != nil &&
		!slices.ContainsFunc(logins, func(want login.Login) bool { return !is(want, l.hosts[want.Host]) })
}
