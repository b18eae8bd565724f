package daemon

import (
	"context"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// keepRetry is when handing over the tokens is tried again after an error.
const keepRetry = time.Minute

// changes is an Observer that tells when a grant's token is another one. Several
// changes before they are looked at count as one.
type changes chan struct{}

func (c changes) Observe(e renew.Event) {
	switch e.Kind {
	case renew.Renewed, renew.Adopted, renew.Expired:
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// keep hands the tokens to the next process and notes what lies where, whenever the tokens
// change, until ctx ends, and then what is still to be done. clearFormer is called when a login
// of the former process ends that has no follower yet, and again where that, or what cleared tells
// of, was not done.
func (d *Daemon) keep(ctx context.Context, cleared bool, clearFormer func() (done bool)) {
	var again, clearAgain <-chan time.Time
	wait := keepRetry
	after := func(done bool) {
		if clearAgain = nil; done {
			wait = keepRetry
			return
		}
		clearAgain = time.After(wait)
		wait = min(2*wait, time.Hour)
	}
	after(cleared)
	var said string // the last error of Keep: one that stays is logged once
	for over := false; !over; {
		select {
		case <-ctx.Done():
			if over = true; again == nil && len(d.changes) == 0 {
				return
			}
		case <-d.formerEnds():
			after(clearFormer())
			continue
		case <-clearAgain:
			after(clearFormer())
			continue
		case <-d.changes:
		case <-again:
		}
		again = nil
		if d.Keep != nil {
			err := d.Keep(d.generation().tokens())
			if err == nil {
				said = ""
			} else {
				again = time.After(keepRetry)
			}
			if err != nil && err.Error() != said {
				said = err.Error()
				d.Logger.Warn("tokens not handed over, a restart would begin without them", zap.String("error", said),
					zap.String("hint", "nothing to do while the daemon runs; before the next restart, see that AWS can be reached"))
			}
		}
		if err := d.note(); err != nil {
			d.noteFailed(err)
			again = time.After(keepRetry)
		}
	}
}

// formerEnds tells when to look whether a login of the former process has ended whose grant has
// no token yet: within a minute, since a clock can be set. Nil when there is none.
func (d *Daemon) formerEnds() <-chan time.Time {
	const never = 1 << 62
	g, now, soonest := d.generation(), time.Now(), time.Duration(never)
	for i, r := range g.renewers {
		if _, held := r.Held(); held {
			continue
		}
		for _, t := range d.placed.tokens[g.config.Grants[i].Key()] {
			if left := t.ExpiresAt.Sub(now); left > 0 {
				soonest = min(soonest, left, time.Minute)
			}
		}
	}
	if soonest == never {
		return nil
	}
	return time.After(soonest)
}

// tokens gives the valid tokens by config.Grant.Key.
func (g *generation) tokens() map[string]login.Token {
	held := make(map[string]login.Token)
	for i, r := range g.renewers {
		if t, ok := r.Held(); ok {
			held[g.config.Grants[i].Key()] = t
		}
	}
	return held
}

// inherit gives the renewers the tokens of the former process. They serve until
// each has one of its own, which is asked for at once: a restart is how people
// make changed AWS credentials take effect.
func (g *generation) inherit(tokens map[string]login.Token) {
	for i, r := range g.renewers {
		if t, ok := tokens[g.config.Grants[i].Key()]; ok {
			r.Adopt(t, true)
		}
	}
}
