// Package hook runs a command of the user's after each renewal, with the logins as JSON on
// its standard input, for the places that no other kind of target knows.
//
// The command gets all logins that the target holds, those of other grants too, so that it can write
// something that has all of them. It never runs twice at a time: grants that come while it runs share
// the next run. How long a run lasts, what it prints and what it leaves behind is bounded; a
// process that leaves the group of the command's is not: that one only the service manager ends.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/registry"
	"ecr-refreshd/internal/renew"
)

// Target is a command. It is safe for concurrent use.
type Target struct {
	settings
	grace time.Duration // usualGrace; tests have more time
	busy  chan struct{} // full while the command runs

	mu     sync.Mutex
	logins map[string]login.Login // by host, of all grants
	next   *round                 // that has not begun; nil for none
	output string
}

// round is one run of the command for all who wait for it.
type round struct {
	done chan struct{}
	err  error // set before done is closed
}

var (
	_ renew.Target  = (*Target)(nil)
	_ renew.Printer = (*Target)(nil)
)

func newTarget(s settings) *Target {
	return &Target{settings: s, grace: usualGrace, busy: make(chan struct{}, 1), logins: map[string]login.Login{}}
}

// join shows a command as people type it.
func join(command []string) string { return strings.Join(command, " ") }

// String names the program, and no arguments: one may be a secret.
func (t *Target) String() string {
	if t.User != "" {
		return t.Command[0] + " as " + t.User
	}
	return t.Command[0]
}

// Store runs the command, unless a run that has not begun serves this call too. It takes at most the
// rest of a run and one of its own.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	t.mu.Lock()
	for _, l := range logins {
		t.logins[l.Host] = l
	}
	r, leads := t.next, t.next == nil
	if leads {
		r = &round{done: make(chan struct{})}
		t.next = r
	}
	t.mu.Unlock()
	if leads {
		t.lead(ctx, r)
		return r.err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errBusy = errors.New("the run before has not ended, although it was killed")

// lead waits for its turn and runs the command. When ctx ends, it returns once the command has
// been killed. The others who wait for the run then get an error, and try again.
func (t *Target) lead(ctx context.Context, r *round) {
	defer close(r.done)
	patience := time.NewTimer(t.Timeout + 2*t.grace)
	defer patience.Stop()
	taken := false
	select {
	case t.busy <- struct{}{}:
		taken = true
	case <-ctx.Done():
		r.err = t.fault(ctx.Err(), "")
	case <-patience.C:
		r.err = t.fault(errBusy, "find out what it waits for: ps -ef; a process that a disk or network file system holds cannot be killed")
	}
	t.mu.Lock()
	t.next = nil
	now := time.Now()
	maps.DeleteFunc(t.logins, func(_ string, l login.Login) bool { return !now.Before(l.ExpiresAt) })
	logins := slices.SortedFunc(maps.Values(t.logins), func(a, b login.Login) int { return strings.Compare(a.Host, b.Host) })
	t.mu.Unlock()
	if !taken {
		return
	}
	said, err := t.run(ctx, logins, func() { <-t.busy })
	t.mu.Lock()
	t.output = said
	t.mu.Unlock()
	r.err = err
}

// Output returns the last of what the command has printed in its last run, without secrets.
func (t *Target) Output() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output
}

// Forget cannot undo what a command has done.
func (t *Target) Forget(_ context.Context, ours func(host string) bool) error {
	t.mu.Lock()
	maps.DeleteFunc(t.logins, func(host string, _ login.Login) bool { return ours(host) })
	t.mu.Unlock()
	return &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("remove the logins that %q has stored", t.Command[0]),
		Err: errors.New("it is run to store logins only"), Hint: "remove by hand what it has written; its logins end by themselves within 12 hours"}
}

// input is what the command reads. Its form is part of what users rely on; docs/guides/hooks.md
// describes it.
type input struct {
	Logins []entry `json:"logins"`
}

type entry struct {
	Host      string    `json:"host"`
	Username  string    `json:"username"`
	Password  string    `json:"password"`
	Account   string    `json:"account"` // of the registry, where the host's name tells it; empty otherwise
	Region    string    `json:"region"`  // likewise; of ECR Public us-east-1
	ExpiresAt time.Time `json:"expires_at"`
}

func inputOf(logins []login.Login) ([]byte, error) {
	in := input{Logins: []entry{}}
	for _, l := range logins {
		e := entry{Host: l.Host, Username: l.Username, Password: l.Secret.Reveal(), ExpiresAt: l.ExpiresAt.UTC().Truncate(time.Second)}
		if r, err := registry.Parse(l.Host); err == nil {
			if e.Account, e.Region = r.Account, r.Region; r.Public {
				e.Region = "us-east-1"
			}
		}
		in.Logins = append(in.Logins, e)
	}
	return json.Marshal(in)
}

func (t *Target) fault(err error, hint string) *fault.Error {
	op := fmt.Sprintf("run %q", t.Command[0])
	if t.User != "" {
		op += fmt.Sprintf(" as %q", t.User)
	}
	return &fault.Error{Reason: fault.Local, Op: op, Err: err, Hint: hint}
}
