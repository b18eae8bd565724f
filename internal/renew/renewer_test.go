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

const (
	hostA = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
	hostB = "444455556666.dkr.ecr.eu-west-1.amazonaws.com"
)

// rig is a Renewer with fakes around it, run in a bubble.
type rig struct {
	*Renewer
	source *fakeSource
	diary  *diary
}

// inBubble runs body beside a running Renewer with these targets for hostA and
// hostB; change may alter the configuration first.
func inBubble(t *testing.T, fetch func(int) (login.Token, error), targets map[string]Target, change func(*Config), body func(rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := rig{source: &fakeSource{fetch: fetch}, diary: new(diary)}
		c := Config{Grant: Grant{Region: "eu-west-1"}, Hosts: []string{hostA, hostB}, Source: r.source, Observer: r.diary, Policy: usual}
		for name, target := range targets {
			c.Bindings = append(c.Bindings, Binding{name, target, c.Hosts})
		}
		if change != nil {
			change(&c)
		}
		r.Renewer = New(c)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		synctest.Wait()
		body(r)
		cancel()
		wg.Wait()
	})
}

// pass lets time go by, and everything settle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEveryTargetFollowsTheTokenForAWeek(t *testing.T) {
	file, engine := new(fakeFile), new(fakeTarget)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file, "engine": engine}, nil, func(r rig) {
		for range 7 * 24 {
			pass(time.Hour)
			tok, ok := r.Held()
			if !ok || time.Until(tok.ExpiresAt) < 6*time.Hour-time.Minute {
				t.Fatalf("held %v until %v", ok, tok.ExpiresAt)
			}
			if s := tok.Secret.Reveal(); file.at(hostA) != s || engine.at(hostB) != s {
				t.Fatal("a target is behind")
			}
		}
		// 40% to 50% of 12 hours lie between two renewals.
		if n := r.source.calls(); n < 28 || n > 36 {
			t.Errorf("%d calls in a week", n)
		}
	})
}

func TestExpiryInThePastMakesNoTightLoop(t *testing.T) {
	for _, life := range []time.Duration{-time.Hour, 0, 1000 * time.Hour} {
		inBubble(t, living(life), map[string]Target{"file": new(fakeFile)}, nil, func(r rig) {
			pass(time.Minute)
			if n := r.source.calls(); n > 5 {
				t.Errorf("life %v: %d calls in 60 s", life, n)
			}
			if _, ok := r.Held(); !ok || r.diary.count(ClockWrong) == 0 {
				t.Errorf("life %v: held %v, %d events", life, ok, r.diary.count(ClockWrong))
			}
		})
	}
}

func TestShortestTokensAndManyWakesKeepTheFloor(t *testing.T) {
	inBubble(t, living(shortestLife), map[string]Target{"file": new(fakeFile)}, nil, func(r rig) {
		for range 6000 {
			r.Wake()
			pass(10 * time.Millisecond)
		}
		if n := r.source.calls(); n < 30 || n > 62 {
			t.Errorf("%d calls in 60 s", n)
		}
	})
}

func TestNothingStopsTheLoop(t *testing.T) {
	for _, reason := range fault.Reasons() {
		fetch := func(n int) (login.Token, error) {
			if time.Since(start2000()) < 20*time.Hour {
				return login.Token{}, failing(reason)
			}
			return living(12 * time.Hour)(n)
		}
		inBubble(t, fetch, map[string]Target{"file": new(fakeFile)}, nil, func(r rig) {
			pass(20*time.Hour + 5*time.Minute)
			if _, ok := r.Held(); !ok {
				t.Errorf("%s: no token 5 minutes after it is over", reason)
			}
			if n := r.source.calls(); n > 20*60*4 { // what is on this host is asked most often: four times a minute
				t.Errorf("%s: %d calls in 20 hours", reason, n)
			}
		})
	}
}

// start2000 is when every bubble's clock begins.
func start2000() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestAFailingTargetNeitherFetchesNorDelaysOthers(t *testing.T) {
	good, bad := new(fakeTarget), new(fakeTarget)
	bad.err = func([]login.Login) error { return failing(fault.Local) }
	inBubble(t, living(12*time.Hour), map[string]Target{"good": good, "bad": bad, "hung": hungTarget{}}, nil, func(r rig) {
		pass(time.Hour)
		if good.at(hostA) != "1" || r.source.calls() != 1 || bad.count() < 60 || r.diary.last(StoreFailed).RetryIn > nearby {
			t.Errorf("good holds %q, %d fetches, %d tries", good.at(hostA), r.source.calls(), bad.count())
		}
		bad.fail(nil)
		pass(nearby)
		if bad.at(hostB) != "1" || r.source.calls() != 1 {
			t.Error("the fixed target is not caught up")
		}
	})
}

func TestAnUndoneLoginIsBackWithinTwoSeconds(t *testing.T) {
	file := new(fakeFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		for range 20 {
			pass(7 * time.Second)
			file.undo(hostB)
			pass(2 * time.Second)
			if file.at(hostB) != "1" {
				t.Fatal("the login is not back")
			}
		}
		if r.source.calls() != 1 || r.diary.count(Undone) != 20 {
			t.Errorf("%d calls, %d undone", r.source.calls(), r.diary.count(Undone))
		}
	})
}

func TestTwoProgramsDoNotUndoEachOtherForEver(t *testing.T) {
	one := new(fakeFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": one}, nil, func(r rig) {
		for range 3600 {
			pass(time.Second)
			one.undo(hostA)
		}
		if n := one.count(); n > 200 {
			t.Errorf("stored %d times in an hour", n)
		}
		if n := r.diary.count(Undone, func(e Event) bool { return e.Err != nil }); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		pass(2 * conflictInterval) // the other one has ended
		for range 10 {
			pass(7 * time.Second)
			one.undo(hostA)
			pass(2 * time.Second)
			if one.at(hostA) == "" {
				t.Fatal("it is not noticed that the other one has ended")
			}
		}
	})
}

func TestARefusedFreshTokenIsReplacedOnce(t *testing.T) {
	refuse := func(secrets ...string) func([]login.Login) error {
		return func(logins []login.Login) error {
			for _, s := range secrets {
				if logins[0].Secret.Reveal() == s || s == "*" {
					return fault.List{{Reason: fault.Rejected, Op: "log in", Hosts: []string{hostB}}}
				}
			}
			return nil
		}
	}
	t.Run("the next one is good", func(t *testing.T) {
		engine, file := &fakeTarget{err: refuse("1")}, new(fakeFile)
		inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine, "file": file}, nil, func(r rig) {
			pass(5 * time.Second)
			if r.source.calls() != 2 || engine.at(hostB) != "2" || file.at(hostB) != "2" {
				t.Errorf("%d calls, engine holds %q", r.source.calls(), engine.at(hostB))
			}
		})
	})
	t.Run("a host that refuses all costs one call", func(t *testing.T) {
		engine := &fakeTarget{err: refuse("*")}
		inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine}, nil, func(r rig) {
			pass(4 * time.Hour)
			if n := r.source.calls(); n != 2 {
				t.Errorf("%d calls, want 2", n)
			}
			pass(14 * 24 * time.Hour)
			if n := r.source.calls(); n > 75 {
				t.Errorf("%d calls in a fortnight", n)
			}
		})
	})
	t.Run("other hosts count as stored", func(t *testing.T) {
		engine := &fakeTarget{err: refuse("*")}
		inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine}, nil, func(r rig) {
			if e := r.diary.last(Stored); len(e.Hosts) != 1 || e.Hosts[0] != hostA {
				t.Errorf("stored %v", e.Hosts)
			}
			if e := r.diary.last(StoreFailed); len(e.Hosts) != 1 || e.Hosts[0] != hostB || e.Err == nil {
				t.Errorf("failed %v: %v", e.Hosts, e.Err)
			}
		})
	})
}

func TestAnExpiredTokenIsTakenAwayAndNotHandedOut(t *testing.T) {
	fetch := func(n int) (login.Token, error) {
		if n > 1 && n < 60 {
			return login.Token{}, failing(fault.Network)
		}
		return living(time.Hour)(n)
	}
	file, engine := new(fakeFile), new(fakeTarget)
	inBubble(t, fetch, map[string]Target{"file": file, "engine": engine}, nil, func(r rig) {
		pass(time.Hour + time.Second)
		if _, ok := r.Held(); ok || file.at(hostA) != "" || r.diary.count(Expired) != 1 || r.diary.count(Removed) != 1 {
			t.Errorf("still there: held %v, file %q; %d expired, %d removed", ok, file.at(hostA), r.diary.count(Expired), r.diary.count(Removed))
		}
		pass(time.Hour)
		if tok, ok := r.Held(); !ok || file.at(hostA) != tok.Secret.Reveal() || engine.at(hostA) != tok.Secret.Reveal() {
			t.Error("does not recover")
		}
	})
}

func TestASteppedWallClock(t *testing.T) {
	for _, step := range []time.Duration{-10 * time.Hour, -time.Hour, time.Hour, 20 * time.Hour} {
		var mu sync.Mutex
		var offset time.Duration
		wall := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(offset) }
		trueEnd := make(map[string]time.Time)
		fetch := func(n int) (login.Token, error) {
			tok, err := living(12 * time.Hour)(n)
			tok.ObtainedAt = wall()
			mu.Lock()
			trueEnd[tok.Secret.Reveal()] = tok.ExpiresAt
			mu.Unlock()
			return tok, err
		}
		file := new(fakeFile)
		inBubble(t, fetch, map[string]Target{"file": file}, func(c *Config) { c.Wall = wall }, func(r rig) {
			pass(2 * time.Hour)
			mu.Lock()
			offset = step
			mu.Unlock()
			pass(2 * time.Minute)
			for range 48 {
				mu.Lock()
				end := trueEnd[file.at(hostA)]
				mu.Unlock()
				if !end.After(time.Now()) {
					t.Fatalf("step %v: the file holds %q, which ended %v ago", step, file.at(hostA), time.Since(end))
				}
				pass(time.Hour)
			}
			if n := r.source.calls(); n > 12 {
				t.Errorf("step %v: %d calls in two days", step, n)
			}
		})
	}
}

func TestAClockSetForwardTakesNoLoginAwayThatCanBeRenewed(t *testing.T) {
	var mu sync.Mutex
	var offset time.Duration
	wall := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(offset) }
	file := new(fakeFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, func(c *Config) { c.Wall = wall }, func(r rig) {
		pass(2*time.Hour + 10*time.Second)
		mu.Lock()
		offset = 20 * time.Hour
		mu.Unlock()
		for range 120 {
			if pass(time.Second / 2); file.at(hostA) == "" {
				t.Fatal("the file holds nothing, and AWS was not asked first")
			}
		}
		if file.at(hostA) == "1" || r.diary.count(Expired) != 0 {
			t.Errorf("the file holds %q, %d expired", file.at(hostA), r.diary.count(Expired))
		}
	})
}

func TestAnAdoptedTokenIsDeliveredWithoutAFetch(t *testing.T) {
	file := new(fakeFile)
	var adopted login.Token
	adopt := func(c *Config) {
		adopted, _ = living(12 * time.Hour)(7)
		adopted.Source, adopted.SessionEndsAt = "the instance role", adopted.ExpiresAt
	}
	synctest.Test(t, func(t *testing.T) {
		c := Config{Hosts: []string{hostA}, Source: &fakeSource{fetch: living(12 * time.Hour)}, Observer: new(diary), Policy: usual,
			Bindings: []Binding{{"file", file, []string{hostA}}}}
		adopt(&c)
		r := New(c)
		r.Adopt(adopted, false)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		pass(4 * time.Hour)
		if e := c.Observer.(*diary).last(Adopted); e.Source != adopted.Source || !e.SessionEndsAt.Equal(adopted.SessionEndsAt) {
			t.Errorf("the event names the source %q until %s", e.Source, e.SessionEndsAt)
		}
		if file.at(hostA) != "7" || c.Source.(*fakeSource).calls() != 0 {
			t.Errorf("file holds %q after %d calls", file.at(hostA), c.Source.(*fakeSource).calls())
		}
		pass(3 * time.Hour)
		if file.at(hostA) != "1" {
			t.Error("the adopted token is not renewed")
		}
		cancel()
		wg.Wait()
	})
}
