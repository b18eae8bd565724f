package renew

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// fakeSource is a Source that counts its calls.
type fakeSource struct {
	mu    sync.Mutex
	at    []time.Time
	fetch func(n int) (login.Token, error) // n counts from 1
}

func (s *fakeSource) Fetch(context.Context) (login.Token, error) {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	n := len(s.at)
	s.mu.Unlock()
	return s.fetch(n)
}

func (s *fakeSource) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

// living returns tokens of the given life, the n-th with the secret "n".
func living(life time.Duration) func(int) (login.Token, error) {
	return func(n int) (login.Token, error) {
		return login.Token{Username: "AWS", Account: "111122223333", Secret: login.NewSecret(fmt.Sprint(n)),
			ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(life)}, nil
	}
}

func failing(r fault.Reason) error {
	return &fault.Error{Reason: r, Op: "do it", Err: errors.New("boom")}
}

// fakeTarget holds what was stored; its errors are to order.
type fakeTarget struct {
	mu     sync.Mutex
	held   map[string]string // host to secret
	stores int
	err    func(logins []login.Login) error // nil: all well
}

func (f *fakeTarget) Store(_ context.Context, logins []login.Login) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stores++
	if f.err != nil {
		if err := f.err(logins); err != nil {
			return err
		}
	}
	if f.held == nil {
		f.held = make(map[string]string)
	}
	for _, l := range logins {
		f.held[l.Host] = l.Secret.Reveal()
	}
	return nil
}

func (f *fakeTarget) at(host string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held[host]
}

func (f *fakeTarget) fail(err func([]login.Login) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeTarget) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stores
}

// hungTarget never ends by itself.
type hungTarget struct{}

func (hungTarget) Store(ctx context.Context, _ []login.Login) error {
	<-ctx.Done()
	return ctx.Err()
}

// fakeFile is a target that others can undo and that is cleaned at the end.
type fakeFile struct{ fakeTarget }

func (f *fakeFile) Stale(_ context.Context, logins []login.Login) (bool, error) {
	return slices.ContainsFunc(logins, func(l login.Login) bool { return f.at(l.Host) != l.Secret.Reveal() }), nil
}

func (f *fakeFile) Remove(_ context.Context, logins []login.Login) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range logins {
		if f.held[l.Host] == l.Secret.Reveal() {
			delete(f.held, l.Host)
		}
	}
	return nil
}

func (f *fakeFile) Release(ctx context.Context, logins []login.Login) error {
	return f.Remove(ctx, logins)
}

func (f *fakeFile) undo(host string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.held, host)
}

// diary is an Observer that remembers.
type diary struct {
	mu     sync.Mutex
	events []Event
}

func (d *diary) Observe(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) count(k Kind, conditions ...func(Event) bool) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Kind == k && !slices.ContainsFunc(conditions, func(is func(Event) bool) bool { return !is(e) }) {
			n++
		}
	}
	return n
}

func (d *diary) last(k Kind) (e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e = range slices.Backward(d.events) {
		if e.Kind == k {
			return e
		}
	}
	return Event{}
}
