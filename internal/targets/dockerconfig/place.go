package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ecr-refreshd/internal/osuser"
)

// place is the file that a Target or a Helper keeps, and what was last seen in it.
// It is safe for concurrent use; calls take turns.
type place struct {
	path string // absolute, or beginning with ~/
	user string
	// command is how hints are worded; see Options.
	command bool
	// variable says that path comes from DOCKER_CONFIG.
	variable bool
	find     func(ctx context.Context, name string) (*osuser.Account, error)

	// turn is full while a call works on the file. What follows belongs to that
	// call.
	turn    chan struct{}
	account *osuser.Account
	foundAt time.Time
	look    *look
	asked   map[string]struct{} // the hosts to look for
	linked  bool                // the file had another name when it was replaced; until Warning has said so

	watch *watch
}

const underHome = "~/"

// newPlace checks the options. It touches no file.
func newPlace(o Options) (*place, error) {
	if strings.HasPrefix(o.User, "-") || strings.ContainsAny(o.User, ":/\n\x00") {
		return nil, fmt.Errorf("user %q: not the name of an account", o.User)
	}
	path, variable := o.Path, false
	if path == "" {
		path = "~/.docker/config.json"
		if dir := os.Getenv("DOCKER_CONFIG"); dir != "" && o.User == "" {
			path, variable = filepath.Join(dir, "config.json"), true
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
	return &place{path: path, user: o.User, command: o.Command, variable: variable, find: osuser.Lookup, turn: make(chan struct{}, 1), watch: &watch{}}, nil
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

// perform runs f, which changes the file, alone. Its error, unless it is f's, is a
// *fault.Error that names op.
func perform[T any](ctx context.Context, p *place, op string, f func(context.Context, site) (T, error)) (T, error) {
	value, err := inTurn(ctx, p, func(ctx context.Context) (T, error) {
		w, err := p.site(ctx, true)
		if err != nil {
			var none T
			return none, w.fault(op, err)
		}
		return f(ctx, w)
	})
	if errors.Is(err, errNoTurn) || errors.Is(err, errHung) {
		err = site{path: p.path, user: p.user, command: p.command}.fault(op, err)
	}
	return value, err
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
// lets go of it, so that there is never more than one for a place.
func inTurn[T any](ctx context.Context, p *place, f func(context.Context) (T, error)) (T, error) {
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
		return none, fmt.Errorf("%w: %w", errNoTurn, ctx.Err())
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
		return none, fmt.Errorf("%w: %w", errHung, ctx.Err())
	}
}
