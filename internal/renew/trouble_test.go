package renew

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

func TestAnUndoneLoginIsBackThoughAnotherHostFails(t *testing.T) {
	file := new(fakeFile)
	file.err = func([]login.Login) error {
		return fault.List{{Reason: fault.Local, Op: "hidden", Hosts: []string{hostA}}}
	}
	partly := partlyGood{file, hostB}
	inBubble(t, living(12*time.Hour), map[string]Target{"file": partly}, nil, func(r rig) {
		pass(5 * time.Minute)
		for range 10 {
			pass(17 * time.Second)
			file.undo(hostB)
			pass(2 * time.Second)
			if file.at(hostB) != "1" {
				t.Fatal("the login is not back")
			}
		}
		if n := file.count(); n > 120 {
			t.Errorf("%d stores in 8 minutes: the failing host is tried every second", n)
		}
	})
}

// partlyGood stores one host and reports whatever the file says of the rest.
type partlyGood struct {
	*fakeFile
	good string
}

func (p partlyGood) Store(ctx context.Context, logins []login.Login) error {
	err := p.fakeFile.Store(ctx, logins)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(map[string]string)
	}
	for _, l := range logins {
		if l.Host == p.good {
			p.held[l.Host] = l.Secret.Reveal()
		}
	}
	return err
}

func TestARegistryThatRefusesNowAndThenCostsNoStreamOfFetches(t *testing.T) {
	engine, n := new(fakeTarget), 0
	engine.err = func([]login.Login) error {
		if n++; n%2 == 1 {
			return failing(fault.Rejected)
		}
		return failing(fault.Engine)
	}
	inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine}, nil, func(r rig) {
		pass(time.Hour)
		if n := r.source.calls(); n != 2 {
			t.Errorf("%d calls in an hour, want 2", n)
		}
	})
}

func TestHostsThatRefuseInTurnCostNoStreamOfFetches(t *testing.T) {
	engine, n := new(fakeTarget), 0
	engine.err = func([]login.Login) error {
		n++
		return fault.List{{Reason: fault.Rejected, Op: "log in", Hosts: []string{[]string{hostA, hostB}[n%2]}}}
	}
	inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine}, nil, func(r rig) {
		pass(3 * time.Hour)
		if n := r.source.calls(); n > 12 {
			t.Errorf("%d calls in three hours", n)
		}
	})
}

// hungSource answers once and then hangs as long as it may.
type hungSource struct {
	fakeSource
	hang time.Duration
}

func (s *hungSource) Fetch(ctx context.Context) (login.Token, error) {
	if s.calls() == 0 {
		return s.fakeSource.Fetch(ctx)
	}
	select {
	case <-ctx.Done():
	case <-time.After(s.hang):
	}
	return login.Token{}, failing(fault.Network)
}

func TestAnExpiredLoginGoesThoughTheFetchHangs(t *testing.T) {
	file := new(fakeFile)
	source := &hungSource{fakeSource: fakeSource{fetch: living(time.Hour)}, hang: 50 * time.Minute}
	inBubble(t, nil, map[string]Target{"file": file}, func(c *Config) { c.Source = source }, func(rig) {
		pass(time.Hour + 2*time.Second)
		if got := file.at(hostA); got != "" {
			t.Errorf("the file still holds %q", got)
		}
	})
}

func TestAFormerTokenServesUntilTheFirstOfTheOwnIsThere(t *testing.T) {
	const own = login.OwnAccount + ".dkr.ecr.eu-west-1.amazonaws.com"
	synctest.Test(t, func(t *testing.T) {
		file, events := new(fakeFile), new(diary)
		source := &fakeSource{fetch: func(n int) (login.Token, error) {
			if n < 3 {
				return login.Token{}, failing(fault.Denied)
			}
			return living(12 * time.Hour)(n)
		}}
		r := New(Config{Hosts: []string{own}, Source: source, Observer: events, Policy: usual, Bindings: []Binding{{"file", file, []string{own}}}})
		former, _ := living(12 * time.Hour)(0)
		former.Account = "444455556666"
		r.Adopt(former, true)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		pass(floor / 2)
		if source.calls() != 1 || file.at(hostB) != "0" {
			t.Errorf("%d calls, the former login is %q", source.calls(), file.at(hostB))
		}
		pass(2 * time.Hour)
		if file.at(hostA) != "3" || file.at(hostB) != "" {
			t.Errorf("the own login is %q, the former one %q", file.at(hostA), file.at(hostB))
		}
		if e := events.last(Removed); !slices.Equal(e.Hosts, []string{hostB}) {
			t.Errorf("removed %v", e.Hosts)
		}
		cancel()
		wg.Wait()
	})
}

func TestTroubleThatIsNotTheEndpointsWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		endpoint := new(Endpoint)
		away := &fakeSource{fetch: func(int) (login.Token, error) { return login.Token{}, failing(fault.Network) }}
		lost := &fakeSource{fetch: func(int) (login.Token, error) { return login.Token{}, failing(fault.Credentials) }}
		var wg sync.WaitGroup
		for _, source := range []*fakeSource{away, lost} {
			r := New(Config{Hosts: []string{hostA}, Source: source, Observer: new(diary), Policy: usual, Endpoint: endpoint})
			r.Adopt(login.Token{Secret: login.NewSecret("old"), ObtainedAt: time.Now().Add(-6 * time.Hour), ExpiresAt: time.Now().Add(6 * time.Hour)}, false)
			wg.Go(func() { _ = r.Run(ctx) })
		}
		pass(5 * time.Hour)
		// At most every 5 minutes with full jitter, after a few quick tries.
		if n := away.calls(); n > 180 {
			t.Errorf("%d calls to an endpoint that is away, beside %d without credentials", n, lost.calls())
		}
		cancel()
		wg.Wait()
	})
}

func TestNewsThatComesDuringAnAttemptIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		endpoint := new(Endpoint)
		old := login.Token{Secret: login.NewSecret("old"), ObtainedAt: time.Now().Add(-6 * time.Hour), ExpiresAt: time.Now().Add(6 * time.Hour)}
		// One grant's call hangs from before the end of the outage until after it.
		slow := &slowSource{ends: time.Now().Add(40 * time.Second), fakeSource: fakeSource{fetch: living(12 * time.Hour)}}
		quick := &fakeSource{fetch: living(12 * time.Hour)}
		var wg sync.WaitGroup
		for _, source := range []Source{slow, quick} {
			r := New(Config{Hosts: []string{hostA}, Source: source, Observer: new(diary), Endpoint: endpoint,
				Policy: Policy{At: 0.5, Initial: 5 * time.Minute, Max: 5 * time.Minute}})
			if source == Source(quick) {
				old.ObtainedAt = old.ObtainedAt.Add(20 * time.Second) // due in 20 s
				old.ExpiresAt = old.ExpiresAt.Add(20 * time.Second)
			}
			r.Adopt(old, false)
			wg.Go(func() { _ = r.Run(ctx) })
		}
		pass(time.Minute)
		if n := slow.calls(); n != 1 {
			t.Errorf("%d good calls of the slow one a minute after the start, want 1", n)
		}
		cancel()
		wg.Wait()
	})
}

// slowSource fails at the time ends, having hung until then, and is well afterwards.
type slowSource struct {
	fakeSource
	ends time.Time
}

func (s *slowSource) Fetch(ctx context.Context) (login.Token, error) {
	if time.Now().Before(s.ends) {
		time.Sleep(time.Until(s.ends))
		return login.Token{}, failing(fault.Network)
	}
	return s.fakeSource.Fetch(ctx)
}
