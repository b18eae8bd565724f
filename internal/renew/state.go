package renew

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// ErrEnded is the answer to those who wait for a Renewer whose Run has ended.
var ErrEnded = errors.New("the renewer has ended")

// State is how far a Renewer has come.
type State struct {
	Begun, Ended int   // attempts
	Err          error // of the last one that ended; nil when it succeeded
	Deliveries   int   // tokens, renewed or adopted, that were given to the targets
	Delivered    bool  // every target has tried to store the newest of them, well or not
	Over         bool  // Run has ended

	token   *held         // the newest of the Deliveries
	next    time.Duration // when the next attempt begins
	turned  time.Time     // when the loop last came round; zero unless it runs; no change for those who wait
	changed chan struct{} // closed when this is old; nil in Renewer.state while nobody waits
}

// State returns how far the Renewer has come.
func (r *Renewer) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.changed == nil {
		r.state.changed = make(chan struct{})
	}
	s := r.state
	s.Delivered = !slices.ContainsFunc(r.deliveries, func(d *delivery) bool { return d.tried < s.Deliveries })
	return s
}

// change makes a change to the state that those who wait hear of.
func (r *Renewer) change(edit func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.state)
	if r.state.changed != nil {
		close(r.state.changed)
		r.state.changed = nil
	}
}

// turn notes when the loop came round. Nobody waits for that, so nobody is woken.
func (r *Renewer) turn(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.turned = now
}

// Until waits for a state that reached accepts and returns the last one seen. The
// error is ErrEnded when Run has ended before, or ctx's.
func (r *Renewer) Until(ctx context.Context, reached func(State) bool) (State, error) {
	for {
		s := r.State()
		switch {
		case reached(s):
			return s, nil
		case s.Over:
			return s, ErrEnded
		case ctx.Err() != nil:
			return s, ctx.Err()
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
		}
	}
}

// Await returns the token as soon as there is a valid one. It waits for it, until
// ctx ends, only while an attempt is under way, or one begins before ctx's
// deadline that may succeed where the last one failed. The error is ErrEnded, or a
// *fault.Error that says why there is none.
func (r *Renewer) Await(ctx context.Context) (login.Token, error) {
	var token login.Token
	var held bool
	s, err := r.Until(ctx, func(s State) bool {
		token, held = r.Held()
		return held || !s.Over && !r.hopeful(ctx, s)
	})
	switch {
	case held:
		return token, nil
	case err == ErrEnded:
		return login.Token{}, err
	}
	return login.Token{}, r.missing(s)
}

// hopeful reports whether a token may come before ctx's deadline.
func (r *Renewer) hopeful(ctx context.Context, s State) bool {
	if s.Begun > s.Ended || s.Begun == 0 {
		return true
	}
	deadline, bounded := ctx.Deadline()
	now, _ := r.clock.read()
	soon := !bounded || s.next-now < time.Until(deadline)
	return soon && (s.Err == nil || passing(s.Err))
}

// missing says why there is no valid token.
func (r *Renewer) missing(s State) error {
	if s.Err != nil {
		return s.Err
	}
	why := "the first attempt is still under way"
	if r.holding() != nil {
		why = "the last one has expired, and its renewal is still under way"
	}
	return &fault.Error{Reason: fault.Network, Op: fmt.Sprintf("get authorization token in %q", r.Grant.Region),
		Err: errors.New(why), Hint: "`ecr-refreshd status` shows how it goes on"}
}

// Refresh asks for a renewal now, as Wake does, and waits until it has ended and
// every target has dealt with the new token. The error is that of the fetch,
// ErrEnded, or ctx's; what went wrong in targets is observed as ever.
func (r *Renewer) Refresh(ctx context.Context) error {
	s := r.State()
	attempt := s.Begun
	if s.Begun == s.Ended { // one that is under way serves
		attempt++
		r.Wake()
	}
	s, err := r.Until(ctx, func(s State) bool { return s.Ended >= attempt && (s.Err != nil || s.Delivered) })
	if err != nil {
		return err
	}
	return s.Err
}

// Stuck reports whether Run, once begun, has not come round for longer than its
// sleeps and an attempt can take.
func (r *Renewer) Stuck() bool {
	turned := r.State().turned
	return !turned.IsZero() && time.Since(turned) > 2*(reread+r.Attempt)
}
