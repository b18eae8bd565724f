package renew

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// ErrEnded is the answer to those who wait for a Renewer whose Run has ended.
var ErrEnded = errors.New("the renewer has ended")

// progress is what those who wait for a Renewer look at; Renewer.mu guards it.
type progress struct {
	begun, ended int           // attempts
	err          error         // of the last one that ended; nil when it succeeded
	next         time.Duration // when the next one begins, on the renewer's clock
	orders       int           // given to the keepers
	over         bool          // Run has ended
	changed      chan struct{} // closed at the next change; nil while nobody waits
}

// advance makes a change that those who wait have to hear of.
func (r *Renewer) advance(change func(*progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.progress)
	if r.progress.changed != nil {
		close(r.progress.changed)
		r.progress.changed = nil
	}
}

// watch gives the progress as it is; its channel is closed when that is old.
func (r *Renewer) watch() progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.progress.changed == nil {
		r.progress.changed = make(chan struct{})
	}
	return r.progress
}

// Await gives the token as soon as there is a valid one. It waits for it, until
// ctx ends, only while an attempt is under way, or one begins before ctx's
// deadline that may succeed where the last one failed. The error is ErrEnded, or a
// *fault.Error that says why there is none.
func (r *Renewer) Await(ctx context.Context) (login.Token, error) {
	for {
		p := r.watch() // before Held: a token that comes in between is a change
		if t, ok := r.Held(); ok {
			return t, nil
		}
		switch {
		case p.over:
			return login.Token{}, ErrEnded
		case ctx.Err() != nil || !r.hopeful(ctx, p):
			return login.Token{}, r.missing(p)
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
		}
	}
}

// hopeful reports whether a token may come before ctx's deadline.
func (r *Renewer) hopeful(ctx context.Context, p progress) bool {
	if p.begun > p.ended || p.begun == 0 {
		return true
	}
	deadline, bounded := ctx.Deadline()
	passed, _ := r.clock.read()
	soon := !bounded || p.next-passed < time.Until(deadline)
	return soon && (p.err == nil || passing(p.err))
}

// missing says why there is no valid token.
func (r *Renewer) missing(p progress) error {
	if p.err != nil {
		return p.err
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
	p := r.watch()
	attempt := p.begun // one that is under way serves
	if p.begun == p.ended {
		attempt++
		r.Wake()
	}
	for p.ended < attempt || p.err == nil && !r.dealt(p.orders) {
		switch {
		case p.over:
			return ErrEnded
		case ctx.Err() != nil:
			return ctx.Err()
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
		}
		p = r.watch()
	}
	return p.err
}

// Settle waits until an attempt has ended and every target has dealt with the
// token that is held, or until ctx or Run ends.
func (r *Renewer) Settle(ctx context.Context) {
	for {
		p := r.watch()
		if p.over || ctx.Err() != nil || p.ended > 0 && r.dealt(p.orders) {
			return
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
		}
	}
}

// Announced waits until the token that was adopted has been observed and handed to
// the targets, or until ctx or Run ends.
func (r *Renewer) Announced(ctx context.Context) {
	for p := r.watch(); p.orders == 0 && !p.over && ctx.Err() == nil; p = r.watch() {
		select {
		case <-p.changed:
		case <-ctx.Done():
		}
	}
}

// Stuck reports whether Run, once begun, has not come round for longer than its
// sleeps and an attempt can take.
func (r *Renewer) Stuck() bool {
	turned := r.turned.Load()
	return turned != nil && time.Since(*turned) > 2*(reread+r.Attempt)
}

// dealt reports whether every keeper has dealt with the order of that number.
func (r *Renewer) dealt(number int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.keepers {
		if k.dealt < number {
			return false
		}
	}
	return true
}
