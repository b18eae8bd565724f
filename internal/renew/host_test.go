package renew

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

var regions = []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1"}

// host is one daemon's life in a world.
type host struct {
	*world
	outcomes
	grants   int
	observer counter
	places   []*place

	mu      sync.Mutex
	made    map[string][]time.Time // calls by region, in their order
	refused map[fault.Reason]int   // what attempts failed by
	tooSoon map[string]time.Time   // grants that were asked for within the floor
}

// liveHost runs as many grants through the world.
func liveHost(t *testing.T, w *world, grants int) *host {
	h := &host{world: w, grants: grants, made: map[string][]time.Time{}, refused: map[fault.Reason]int{}, tooSoon: map[string]time.Time{}}
	synctest.Test(t, func(t *testing.T) {
		w.start()
		h.live(t.Context())
		for _, n := range w.asleep {
			h.slept += n.length
		}
	})
	return h
}

func (h *host) live(ctx context.Context) {
	var sources []*source
	var bound [][]Binding
	for i := range h.grants {
		name, region := fmt.Sprintf("%012d", i/len(regions)), regions[i%len(regions)]
		hosts := []string{name + ".dkr.ecr." + region + ".amazonaws.com"}
		file := &place{host: h, name: "file of " + hosts[0], gone: diskFull, hangs: fileHangs, reason: fault.Local}
		engine := &place{host: h, name: "engine for " + hosts[0], gone: engineGone, hangs: engineHangs, reason: fault.Engine}
		h.places = append(h.places, file, engine)
		sources = append(sources, &source{host: h, region: region, account: name})
		bound = append(bound, []Binding{{"file", file, hosts}, {"engine", engine, hosts}})
	}
	build := func() (rs []*Renewer) {
		for i, s := range sources {
			rs = append(rs, New(Config{Grant: Grant{Region: s.region, Identity: s.account}, Hosts: bound[i][0].Hosts,
				Source: s, Bindings: bound[i], Policy: usual, Observer: &h.observer, Wall: h.wall}))
		}
		return rs
	}
	run := func(rs []*Renewer) (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for _, r := range rs {
			wg.Go(func() { _ = r.Run(ctx) })
		}
		return func() { cancel(); wg.Wait() }
	}
	handOver := func(from, to []*Renewer) {
		for i, r := range from {
			if token, held := r.Held(); held {
				to[i].Adopt(token, false)
			}
		}
	}
	renewers := build()
	stop := run(renewers)
	for _, e := range h.plan() {
		time.Sleep(e.at - time.Since(h.begin))
		switch e.what {
		case "reload":
			h.reloaded++
			next := build()
			handOver(renewers, next)
			stop()
			renewers = next
			for _, s := range sources {
				s.last = time.Time{} // whoever reloads wants to know at once
			}
		case "restart", "restart without the tokens":
			h.restarted++
			stop()
			from := h.now()
			time.Sleep(time.Duration(1+e.at%120) * time.Second)
			h.down = append(h.down, window{from, h.now()})
			next := build()
			if e.what == "restart" {
				handOver(renewers, next)
			}
			renewers = next
		}
		stop = run(renewers)
		if strings.HasPrefix(e.what, "restart") {
			clearing := h.clearFormer(ctx)
			end := stop
			stop = func() { clearing(); end() }
		}
	}
	time.Sleep(time.Duration(h.days)*24*time.Hour - time.Since(h.begin))
	stop()
	for _, p := range h.places {
		p.account(false)
	}
}

type occasion struct {
	at   time.Duration
	what string
}

func (h *host) plan() (all []occasion) {
	for _, at := range h.reloads {
		all = append(all, occasion{at, "reload"})
	}
	for i, at := range h.restarts {
		all = append(all, occasion{at, []string{"restart", "restart without the tokens"}[i%2]})
	}
	slices.SortFunc(all, func(a, b occasion) int { return int(a.at - b.at) })
	return all
}

// source is AWS for a grant. AWS's clock is right, the host's need not be.
type source struct {
	*host
	region, account string
	last            time.Time
}

func (s *source) Fetch(ctx context.Context) (login.Token, error) {
	now := s.now()
	s.mu.Lock()
	if now.Sub(s.last) < floor {
		s.tooSoon[s.account+" in "+s.region] = now
	}
	s.last = now
	s.calls++
	s.made[s.region] = append(s.made[s.region], now)
	turn := s.calls
	s.mu.Unlock()
	obtained := s.wall()
	token, err := s.answer(ctx, turn)
	if err != nil {
		if ctx.Err() == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failed++
			s.refused[fault.All(err)[0].Reason]++
		}
		return login.Token{}, err
	}
	token.ObtainedAt = obtained
	return token, nil
}

func (s *source) answer(ctx context.Context, turn int) (login.Token, error) {
	if s.is(slow) {
		select {
		case <-time.After(time.Duration(turn%40) * time.Second):
		case <-ctx.Done():
		}
		if turn%40 > 26 || ctx.Err() != nil {
			return login.Token{}, failing(fault.Network)
		}
	}
	switch {
	case s.is(outage):
		return login.Token{}, failing(fault.Network)
	case s.is(throttling) && turn%3 > 0:
		return login.Token{}, failing(fault.Throttled)
	case s.is(revoked):
		return login.Token{}, failing(fault.Denied)
	}
	now := s.now()
	token := login.Token{Username: "AWS", Account: s.account, ExpiresAt: now.Add(documentedLife)}
	end := token.ExpiresAt
	if s.is(sessions) {
		end = now.Add(time.Hour)
		token.SessionEndsAt = end
	}
	token.Secret = login.NewSecret(end.Format(time.RFC3339Nano)) // a token tells its true end
	return token, nil
}

// place is a target that knows whether what it holds is still good.
type place struct {
	*host
	name        string
	gone, hangs trouble
	reason      fault.Reason

	mu      sync.Mutex
	holds   bool
	goodTil time.Time     // the true end of what it holds or held
	life    time.Duration // of that
	since   time.Time     // when it first held something
	gaps    []gap         // spans without a valid login, after the first
	expired windows       // spans with an expired one
}

// gap is a span without a valid login after one that lived so long.
type gap struct {
	window
	life time.Duration
}

// call is what any call of the target may end by.
func (p *place) call(ctx context.Context) error {
	if p.is(p.hangs) {
		select {
		case <-time.After(31 * time.Second):
			return failing(p.reason)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if p.is(p.gone) {
		return failing(p.reason)
	}
	return nil
}

func (p *place) Store(ctx context.Context, logins []login.Login) error {
	if err := p.call(ctx); err != nil {
		return err
	}
	end, err := time.Parse(time.RFC3339Nano, logins[0].Secret.Reveal())
	if err != nil {
		return err
	}
	p.account(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goodTil, p.life = end, end.Sub(p.now())
	return nil
}

func (p *place) Remove(ctx context.Context, _ []login.Login) error {
	if err := p.call(ctx); err != nil {
		return err
	}
	p.account(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Before(p.goodTil) {
		p.goodTil = now // nothing from now on
	}
	return nil
}

// clearFormer takes away what ends before there is another, as the daemon does by its record.
func (h *host) clearFormer(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, p := range h.places {
		wg.Go(func() {
			for former := p.end(); ctx.Err() == nil && p.end().Equal(former); {
				if p.now().After(former) && p.Remove(ctx, nil) == nil {
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(reread):
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func (p *place) end() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.goodTil
}

// account notes the spans that a change ends.
func (p *place) account(holds bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.holds && now.After(p.goodTil) && p.life > documentedLife/2 { // that a session ends a token is no promise
		p.expired = append(p.expired, window{p.goodTil, now})
	}
	if holds && !p.since.IsZero() && now.After(p.goodTil) {
		p.gaps = append(p.gaps, gap{window{p.goodTil, now}, p.life})
	}
	if holds && p.since.IsZero() {
		p.since = now
	}
	p.holds = holds
}

// runs reports whether a daemon ran at the true time t.
func (h *host) runs(t time.Time, naps windows) bool { return !naps.at(t) && !h.down.at(t) }

// avoidable reports whether in the last quarter of the former login's life, or during the gap, AWS
// was well for long enough, and the place after it.
func (h *host) avoidable(p *place, g gap) bool {
	const enough = 20 * time.Minute
	var fetched bool
	var well time.Duration
	naps := h.naps()
	from := g.from.Add(-min(g.life/4, 6*time.Hour))
	if jump := h.jumpBefore(g.from); jump.After(from) {
		from = jump // nobody can know that a login that looks old is still good
	}
	for t := from; t.Before(g.to); t = t.Add(time.Minute) {
		ok := h.runs(t, naps)
		if fetched {
			ok = ok && !h.wrong[p.gone].at(t) && !h.wrong[p.hangs].at(t)
		} else {
			for _, what := range []trouble{outage, throttling, slow, revoked} {
				ok = ok && !h.wrong[what].at(t)
			}
		}
		if well += time.Minute; !ok {
			well = 0
		}
		if well >= enough {
			if fetched {
				return true
			}
			fetched, well = true, 0
		}
	}
	return false
}

// jumpBefore is the last time before t at which the host's clock was set forward.
func (h *host) jumpBefore(t time.Time) (last time.Time) {
	for step, ws := range h.stepped {
		for _, w := range ws {
			jump := w.from
			if step < 0 {
				jump = w.to
			}
			if !jump.After(t) && jump.After(last) {
				last = jump
			}
		}
	}
	return last
}

// removable reports whether the daemon ran and the place was well for long enough in w.
func (h *host) removable(p *place, w window) bool {
	const enough = 3 * time.Minute
	var well time.Duration
	naps := h.naps()
	for t := w.from; t.Before(w.to); t = t.Add(10 * time.Second) {
		if well += 10 * time.Second; !h.runs(t, naps) || h.wrong[p.gone].at(t) || h.wrong[p.hangs].at(t) {
			well = 0
		}
		if well >= enough {
			return true
		}
	}
	return false
}

// busiest is the most calls in a region within so long.
func (h *host) busiest(span time.Duration) (most int) {
	for _, at := range h.made {
		for from, to := 0, 0; to < len(at); to++ {
			for at[to].Sub(at[from]) >= span {
				from++
			}
			most = max(most, to-from+1)
		}
	}
	return most
}
