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

// ErrEnded is returned to callers that wait for a Renewer whose Run has ended.
var ErrEnded = errors.New("the renewer has ended")

// State is how far a Renewer has come.
type State struct {
	Begun, Ended int   // attempts to fetch a token
	Err          error // of the last one that ended; nil when it succeeded
	Tokens       int   // published, whether renewed or adopted
	AllTried     bool  // every target has tried to store the last of them, well or not; true before the first
	Over         bool  // Run has ended

	token *timedToken   // the last one published
	next  time.Duration // when the next attempt begins
	// loopedAt is when the loop last began an iteration, zero unless it runs. A change of
	// it does not wake those who wait.
	loopedAt time.Time
	outdated chan struct{} // closed when there is a newer State; nil in Renewer.state while nobody waits
}

// State returns how far the Renewer has come.
func (r *Renewer) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.outdated == nil {
		r.state.outdated = make(chan struct{})
	}
	s := r.state
	s.AllTried = !slices.ContainsFunc(r.targets, func(d *delivery) bool { return d.tried < s.Tokens })
	return s
}

// update edits the state and wakes those who wait for it.
func (r *Renewer) update(edit func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.state)
	if r.state.outdated != nil {
		close(r.state.outdated)
		r.state.outdated = nil
	}
}

// noteLoop notes when the loop began an iteration. Nobody waits for that, so nobody is
// woken.
func (r *Renewer) noteLoop(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.loopedAt = now
}

// Until waits for a state of which reached is true, and returns the last one seen. The
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
		case <-s.outdated:
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
	if r.lastToken() != nil {
		why = "the last one has expired, and its renewal is still under way"
	}
	return &fault.Error{Reason: fault.Network, Op: fmt.Sprintf("get authorization token in %q", r.Grant.Region),
		Err: errors.New(why), Hint: "`ecr-refreshd status` shows how it goes on"}
}

// Refresh asks for a renewal now, as Wake does, and waits until it has ended and
// every target has dealt with the new token. The error is that of the fetch,
// ErrEnded, or ctx's; failures of targets are events only.
func (r *Renewer) Refresh(ctx context.Context) error {
	s := r.State()
	number := s.Begun       // of the attempt to wait for
	if s.Begun == s.Ended { // else the one under way will do
		number++
		r.Wake()
	}
	s, err := r.Until(ctx, func(s State) bool { return s.Ended >= number && (s.Err != nil || s.AllTried) })
	if err != nil {
		return err
	}
	return s.Err
}

// Stuck reports whether the loop of a Run has begun no iteration for twice as long as
// its sleeps and an attempt can take.
func (r *Renewer) Stuck() bool {
	loopedAt := r.State().loopedAt
	return !loopedAt.IsZero() && time.Since(loopedAt) > 2*(reread+r.FetchLimit)
}

// stepLimit is twice as long as any call of a target may take: a command of the user's gets five
// minutes at most.
const stepLimit = 10 * time.Minute

// StuckTargets lists the targets whose delivery has not begun a step for so long after it was
// due that the target does not return, or nobody calls it. Only time counts in which the
// machine was awake.
func (r *Renewer) StuckTargets() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.targets {
		if !d.due.IsZero() && time.Since(d.due) > stepLimit {
			names = append(names, d.Name)
		}
	}
	return names
}

// noteDue notes when the delivery's step under way began, or when the next one is due; zero when
// it has ended.
func (d *delivery) noteDue(at time.Time) {
	d.renewer.mu.Lock()
	defer d.renewer.mu.Unlock()
	d.due = at
}
