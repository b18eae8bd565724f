package renew

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// overdue is a token of 12 hours that is past its renewal, with 6 hours to live.
func overdue() login.Token {
	return login.Token{Secret: login.NewSecret("old"), ObtainedAt: time.Now().Add(-6 * time.Hour), ExpiresAt: time.Now().Add(6 * time.Hour)}
}

func TestTheTimesOfAnAdoptedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset time.Duration
		events := new(diary)
		r := New(Config{Hosts: []string{hostA}, Source: &fakeSource{fetch: living(12 * time.Hour)}, Observer: events, Policy: Policy{At: 0.5},
			Wall: func() time.Time { return time.Now().Add(offset) }})
		pass(time.Hour)
		adopted := login.Token{ObtainedAt: time.Now().Add(-2 * time.Hour), ExpiresAt: time.Now().Add(10 * time.Hour)}
		r.Adopt(adopted, false)
		fits := func(when string) {
			t.Helper()
			if got, ok := r.Held(); !ok || !got.ObtainedAt.Equal(adopted.ObtainedAt.Add(offset)) || !got.ExpiresAt.Equal(adopted.ExpiresAt.Add(offset)) {
				t.Errorf("%s: held %v, from %v to %v; want %v to %v", when, ok, got.ObtainedAt, got.ExpiresAt, adopted.ObtainedAt.Add(offset), adopted.ExpiresAt.Add(offset))
			}
		}
		fits("at first")
		pass(time.Hour)
		fits("an hour later")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		synctest.Wait()
		e := events.last(Adopted)
		if !e.ObtainedAt.Equal(adopted.ObtainedAt) || !e.ExpiresAt.Equal(adopted.ExpiresAt) || !e.NextRefreshAt.Equal(adopted.ObtainedAt.Add(6*time.Hour)) {
			t.Errorf("said: obtained %v, expires %v, next %v", e.ObtainedAt, e.ExpiresAt, e.NextRefreshAt)
		}
		cancel()
		wg.Wait()
		offset = -time.Hour
		fits("with a clock that was set back")
	})
}

func TestAReplacedTokenDoesNotExpire(t *testing.T) {
	events := new(diary)
	r := New(Config{Hosts: []string{hostA}, Observer: events})
	first, second := tokenUntil("1", time.Hour), tokenUntil("2", time.Hour)
	r.setToken(first)
	r.setToken(second)
	r.announceExpiry(first)
	if n := events.count(Expired); n != 0 {
		t.Errorf("%d expired", n)
	}
	state := r.State()
	r.announceExpiry(second)
	select {
	case <-state.outdated:
	default:
		t.Error("the targets are not woken")
	}
}

func TestTheEndOfATokenIsReportedAtOnce(t *testing.T) {
	fetch := func(n int) (login.Token, error) {
		if n > 1 {
			return login.Token{}, failing(fault.Denied)
		}
		return living(time.Hour)(n)
	}
	inBubble(t, fetch, nil, nil, func(r rig) {
		pass(2 * time.Hour)
		if at := r.diary.last(Expired).At.Sub(start2000()); at != time.Hour {
			t.Errorf("reported after %v", at)
		}
	})
}

// remover is a file that is no Checker.
type remover struct{ file *fakeFile }

func (r remover) Store(ctx context.Context, logins []login.Login) error {
	return r.file.Store(ctx, logins)
}

func (r remover) Remove(ctx context.Context, logins []login.Login) error {
	return r.file.Remove(ctx, logins)
}

func TestLoginsGoWhenOnlyTheWallClockKnowsOfTheirEnd(t *testing.T) {
	fetch := func(n int) (login.Token, error) {
		if n > 1 {
			return login.Token{}, failing(fault.Network)
		}
		return living(12 * time.Hour)(n)
	}
	var mu sync.Mutex
	var suspended time.Duration
	wall := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(suspended) }
	file := new(fakeFile)
	inBubble(t, fetch, map[string]Target{"file": remover{file}}, func(c *Config) { c.Wall = wall }, func(r rig) {
		pass(time.Hour)
		mu.Lock()
		suspended = 20 * time.Hour
		mu.Unlock()
		if pass(reread + 2*removalDelay); file.at(hostA) != "" || r.diary.count(Expired) != 1 {
			t.Errorf("the file holds %q, %d expired", file.at(hostA), r.diary.count(Expired))
		}
	})
}

func TestOnlyAnOutageIsUnhurried(t *testing.T) {
	tests := []struct {
		reason      fault.Reason
		first, last time.Duration // bounds of the wait after the first failure
	}{
		{fault.Network, 4 * time.Second, 4 * time.Second},
		{fault.Throttled, 4 * time.Second, 16 * time.Second},
		{fault.Denied, time.Second, 10 * time.Second},
		{fault.Credentials, time.Second, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(string(tt.reason), func(t *testing.T) {
			for range 40 {
				events := new(diary)
				r := New(Config{Hosts: []string{hostA}, Observer: events, Policy: usual,
					Source: &fakeSource{fetch: func(int) (login.Token, error) { return login.Token{}, failing(tt.reason) }}})
				r.Adopt(overdue(), false)
				newLoop(r).attempt(t.Context())
				if wait := events.last(RenewFailed).RetryIn; wait < tt.first || wait > tt.last {
					t.Fatalf("waits %v, want %v to %v", wait, tt.first, tt.last)
				}
			}
		})
	}
}

func TestARefusalAgainAndAgainWaitsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(New(Config{}))
		pass(time.Hour)
		now, _ := l.renewer.clock.read()
		for i, want := range []time.Duration{0, refusalBackoff, 2 * refusalBackoff, 4 * refusalBackoff, 8 * refusalBackoff} {
			l.next = never
			if l.renewRefused(); l.next-now != want {
				t.Errorf("refusal %d: waits %v, want %v", i+1, l.next-now, want)
			}
		}
	})
}

func TestATargetIsTriedMoreOftenNearTheEnd(t *testing.T) {
	for range 40 {
		target, events := scripted{store: failing(fault.Network)}, new(diary)
		d := deliveryAt(time.Hour, &target, events)
		d.take(tokenUntil("1", time.Hour+6*time.Minute))
		d.retry.failures = 30
		d.step(t.Context(), time.Hour)
		if wait := events.last(StoreFailed).RetryIn; wait > leastPatience {
			t.Fatalf("waits %v, 6 minutes before the end", wait)
		}
	}
}

func TestFailuresOfATargetAreCountedForEachToken(t *testing.T) {
	file := new(fakeFile)
	file.err = func([]login.Login) error { return failing(fault.Local) }
	inBubble(t, living(time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		pass(2 * time.Hour)
		first := r.diary.count(StoreFailed, func(e Event) bool { return e.Attempt == 1 })
		if renewed := r.diary.count(Renewed); first != renewed || renewed < 4 {
			t.Errorf("%d first attempts for %d tokens", first, renewed)
		}
	})
}

// With thousands of hosts and many targets, the logins are what takes the memory.
func TestTargetsWithTheSameHostsShareTheirLogins(t *testing.T) {
	h := &timedToken{Token: login.Token{Account: "111122223333"}}
	a, b := h.loginsFor([]string{"a", "b"}), h.loginsFor([]string{"a", "b"})
	if &a[0] != &b[0] {
		t.Error("each has a list of its own")
	}
	if c := h.loginsFor([]string{"a"}); len(c) != 1 || c[0].Host != "a" || c[0].Account != h.Account {
		t.Errorf("got %v for fewer hosts", c)
	}
}
