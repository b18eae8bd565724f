package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ecr-refreshd/internal/osuser"
)

// site is a file, and whose rights a call has there.
type site struct {
	path     string          // absolute, or in a configuration beginning with ~/
	user     string          // as configured; empty for this process itself
	as       *osuser.Account // of a call; nil for this process as it is
	command  bool            // how hints are worded; see Options
	format   *format
	standard bool   // the path is the format's own
	variable string // that says so; empty for none
	makes    int    // how many missing directories are made, from the last one up
	inPlace  bool   // see Options
}

// base is the directory from which on directories are made. It is waited for.
func (w site) base() string {
	base := filepath.Dir(w.path)
	for range w.makes {
		base = filepath.Dir(base)
	}
	return base
}

// place is the file that a Target or a Helper keeps, and what was last seen in it.
// It is safe for concurrent use; calls take turns.
type place struct {
	site // as configured
	find func(ctx context.Context, name string) (*osuser.Account, error)

	// turn is full while a call works on the file. What follows belongs to that
	// call.
	turn    chan struct{}
	account *osuser.Account
	foundAt time.Time
	look    *look
	asked   map[string]struct{} // the hosts to look for
	news    string              // what Warning has to say, once
	notes   string              // what it has to say until the next Store
	inode   uint64              // that a Store in place has written; 0 for none

	orders *orders
	watch  *watch
}

const underHome = "~/"

// newPlace checks the options. It touches no file.
func newPlace(o Options) (*place, error) {
	if strings.HasPrefix(o.User, "-") || strings.ContainsAny(o.User, ":/\n\x00") {
		return nil, fmt.Errorf("user %q: not the name of an account", o.User)
	}
	w := site{path: o.Path, user: o.User, command: o.Command, format: docker, inPlace: o.InPlace}
	if o.Containers {
		w.format = containers
	}
	if w.path == "" {
		w.standard = true
		if w.path, w.variable = w.format.standard(o.User); w.variable != "" && !filepath.IsAbs(w.path) {
			return nil, fmt.Errorf("%q, by $%s: not an absolute path", w.path, w.variable)
		}
	}
	path := w.path
	inHome := strings.HasPrefix(path, underHome)
	switch {
	case strings.ContainsRune(path, 0):
		return nil, fmt.Errorf("path %q: holds a null byte", path)
	case !inHome && !filepath.IsAbs(path):
		return nil, fmt.Errorf("path %q: not absolute; begin it with / or with %s", path, underHome)
	case strings.HasSuffix(path, "/"):
		return nil, fmt.Errorf("path %q: a directory; name the file in it", path)
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) && inHome && o.User == "" {
		path = filepath.Join(home, path[len(underHome):])
	}
	w.path, w.makes = path, w.format.makes
	if strings.HasPrefix(path, sessions+"/") {
		w.makes = 1 // the account's own directory is not ours to make
	}
	return &place{site: w, find: osuser.Lookup, turn: make(chan struct{}, 1), orders: &orders{}, watch: &watch{}}, nil
}

// String names the file and the user, for people.
func (p *place) String() string {
	rest, inHome := strings.CutPrefix(p.path, underHome)
	switch {
	case p.user == "":
		return p.path
	case inHome:
		return "~" + p.user + "/" + rest
	}
	return p.path + " as " + p.user
}

var (
	errNoHome = &problem{"find the home directory: HOME is not set", "set HOME, {vars} or {--file}"}
	// errIdentity marks that this process may not act as another account.
	errIdentity = &problem{"refused", "run ecr-refreshd as root, or with CAP_SETUID and CAP_SETGID, or as {user} itself"}
)

// accountLife is how long an account that was found is not looked up again, so
// that a hundred grants on one file ask a directory service once.
const accountLife = 10 * time.Second

// resolve finds out where the file is, and whose rights a call has there. With fresh, the
// account is looked up again if that was not done just now. The site returned with an
// error serves to name it.
func (p *place) resolve(ctx context.Context, fresh bool) (site, error) {
	w := p.site
	rest, inHome := strings.CutPrefix(p.path, underHome)
	var home string
	switch {
	case p.user != "":
		if p.account == nil || fresh && time.Since(p.foundAt) > accountLife {
			found, err := p.find(ctx, p.user)
			if err != nil {
				return w, err
			}
			p.account, p.foundAt = found, time.Now()
		}
		home = p.account.Home
		if p.account.UID != os.Geteuid() {
			w.as = p.account
		}
	case inHome: // $HOME is not set, which is usual for a system service
		self, err := user.LookupId(strconv.Itoa(os.Geteuid()))
		if err != nil {
			return w, fmt.Errorf("%w: user id %d: %w", errNoHome, os.Geteuid(), err)
		}
		home = self.HomeDir
	}
	if inHome {
		if !filepath.IsAbs(home) {
			return w, fmt.Errorf("home directory %q: not an absolute path", home)
		}
		w.path = filepath.Join(home, rest)
	}
	return w, nil
}

// takeNews is what Warning has to say, once.
func (p *place) takeNews() string {
	news := p.news
	p.news = ""
	return news
}

// as runs f with the account's rights: links and swapped directories then lead nowhere that
// the account cannot go by itself. f must start no goroutine; see osuser.As.
func as(a *osuser.Account, f func() error) error {
	err := osuser.As(a, f)
	if errors.Is(err, osuser.ErrIdentity) {
		return fmt.Errorf("%w: %w", errIdentity, err)
	}
	return err
}

const checkDisk = "check the file system: ls -l {dir}; a network server may be away"

var (
	errNoTurn = &problem{"another call still works on the file", checkDisk}
	errHung   = &problem{"the file system does not answer", checkDisk}
)

const (
	// patience is how long a call lasts at most: callers have no limit of their own,
	// and a file system that hangs has to be reported some time.
	patience = 30 * time.Second
	// grace is how long a call that has been cancelled may take to end by itself.
	grace = time.Second
)

// inTurn runs f alone, in a goroutine of its own: a file system that hangs must
// not take the caller with it. Then the goroutine keeps the turn until the kernel
// lets go of it, so that there is never more than one for a place. The errors are f's, or
// a *fault.Error that names op.
func inTurn[T any](ctx context.Context, p *place, op string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	var none T
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return none, p.fault(op, fmt.Errorf("%w: %w", errNoTurn, ctx.Err()))
	}
	done := make(chan result, 1)
	go func() {
		value, err := f(ctx)
		<-p.turn
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-late.C:
		return none, p.fault(op, fmt.Errorf("%w: %w", errHung, ctx.Err()))
	}
}

// change runs f in a session of its own, with the account's rights, and reports what that
// says was done. Its error is a *fault.Error that names op, or the session's
// verdict.
func (p *place) change(ctx context.Context, op string, with access, f func(context.Context, *session) error) (Report, error) {
	return inTurn(ctx, p, op, func(ctx context.Context) (Report, error) { return p.act(ctx, op, with, f) })
}

// act is change for the call that has the turn.
func (p *place) act(ctx context.Context, op string, with access, f func(context.Context, *session) error) (Report, error) {
	w, err := p.resolve(ctx, true)
	if err != nil {
		return Report{}, w.fault(op, err)
	}
	s := &session{site: w}
	err = as(w.as, func() error {
		if err := s.open(ctx, with); err != nil {
			return s.unlessMissing(err, with)
		}
		defer s.close()
		return s.unlessMissing(f(ctx, s), with)
	})
	if err != nil {
		return newReport(w.path, nil), w.fault(op, err)
	}
	return newReport(w.path, s.done), s.verdict.Err()
}
