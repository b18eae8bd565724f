// Package dockerconfig keeps logins in a docker config.json, a file that docker
// and others rewrite without any lock, and that may be in another account's
// home. It reads and changes JSON without touching what is not its own, replaces
// the file so that no other program's write is lost and no reader meets half a
// file, and acts with the rights of the account that the file belongs to.
//
// The token goes into "auths". Credential helpers are only looked at, because
// they can hide it from docker; to set one up is not done here. Nor are tokens
// fetched or renewals planned.
package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// Options says which file to keep.
type Options struct {
	// Path is the file, absolute or beginning with ~/ for the home of the account.
	// Empty means $DOCKER_CONFIG/config.json, then ~/.docker/config.json; with
	// User, the latter.
	Path string
	// User is the account that the file belongs to and with whose rights it is
	// written. Empty means the account of this process.
	User string
}

// Target keeps logins in one config.json. It is safe for concurrent use; calls
// take turns.
type Target struct {
	path string // absolute, or beginning with ~/
	user string
	find func(ctx context.Context, name string) (*account, error)

	// turn is full while a call works on the file. What follows belongs to that
	// call.
	turn    chan struct{}
	account *account
	foundAt time.Time
	look    *look
	asked   map[string]struct{} // the hosts to look for
	pace    pace
}

var (
	_ renew.Target  = (*Target)(nil)
	_ renew.Checker = (*Target)(nil)
	_ renew.Remover = (*Target)(nil)
)

const underHome = "~/"

// New checks the options and builds the target. It touches no file.
func New(o Options) (*Target, error) {
	if strings.HasPrefix(o.User, "-") || strings.ContainsAny(o.User, ":/\n\x00") {
		return nil, fmt.Errorf("user %q: not the name of an account", o.User)
	}
	path := o.Path
	if path == "" {
		path = "~/.docker/config.json"
		if dir := os.Getenv("DOCKER_CONFIG"); dir != "" && o.User == "" {
			path = filepath.Join(dir, "config.json")
			if !filepath.IsAbs(path) {
				return nil, fmt.Errorf("$DOCKER_CONFIG %q: not an absolute path", dir)
			}
		}
	}
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
	return &Target{path: path, user: o.User, find: lookupAccount, turn: make(chan struct{}, 1)}, nil
}

// String names the file and the user, for people.
func (t *Target) String() string {
	rest, inHome := strings.CutPrefix(t.path, underHome)
	switch {
	case t.user == "":
		return t.path
	case inHome:
		return "~" + t.user + "/" + rest
	}
	return t.path + " as " + t.user
}

// Store puts the logins into the file, each under its bare host and under no other
// name. Its error is a *fault.Error, or a fault.List for the hosts whose login is in
// the file but which docker will look for elsewhere.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	hosts := make([]string, len(logins))
	for i, l := range logins {
		hosts[i] = l.Host
	}
	return t.change(ctx, "store logins", func(ctx context.Context, w site) error {
		t.ask(logins)
		doc, err := w.update(ctx, true, func(d *document) bool { return d.store(logins) })
		if err != nil {
			return w.fault("store logins", err)
		}
		return doc.helpers().faults(w.path, hosts).Err()
	})
}

// Remove takes those of the logins out of the file that are still in it, doubles
// included. Its error is a *fault.Error.
func (t *Target) Remove(ctx context.Context, logins []login.Login) error {
	return t.change(ctx, "remove logins", func(ctx context.Context, w site) error {
		_, err := w.update(ctx, false, func(d *document) bool { return d.remove(logins) })
		if err != nil {
			return w.fault("remove logins", err)
		}
		return nil
	})
}

func (t *Target) change(ctx context.Context, op string, f func(context.Context, site) error) error {
	_, err := inTurn(ctx, t, func(ctx context.Context) (struct{}, error) {
		w, err := t.site(ctx, true)
		if err != nil {
			return struct{}{}, w.fault(op, err)
		}
		return struct{}{}, f(ctx, w)
	})
	if errors.Is(err, errNoTurn) || errors.Is(err, errHung) {
		return site{path: t.path, user: t.user}.fault(op, err)
	}
	return err
}

var (
	errNoTurn = errors.New("another call still works on the file")
	errHung   = errors.New("the file system does not answer")
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
// lets go of it, so that there is never more than one for a Target.
func inTurn[T any](ctx context.Context, t *Target, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	var none T
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", errNoTurn, ctx.Err())
	}
	done := make(chan result, 1)
	go func() {
		value, err := f(ctx)
		<-t.turn
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
		return none, fmt.Errorf("%w: %w", errHung, ctx.Err())
	}
}
