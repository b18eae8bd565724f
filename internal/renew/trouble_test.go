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

func TestEachExpiryIsReportedAndActedOn(t *testing.T) {
	// AWS answers in the first ten minutes of every other hour, for 40 minutes.
	fetch := func(n int) (login.Token, error) {
		if time.Since(start2000())%(2*time.Hour) < 10*time.Minute {
			return living(40 * time.Minute)(n)
		}
		return login.Token{}, failing(fault.Network)
	}
	file := new(fakeFile)
	inBubble(t, fetch, map[string]Target{"file": file}, nil, func(r rig) {
		for n := range 3 {
			pass(5 * time.Minute)
			if file.at(hostA) == "" {
				t.Errorf("period %d: the file holds nothing", n)
			}
			pass(time.Hour)
			if file.at(hostA) != "" || r.diary.count(Expired) != n+1 || r.diary.count(Removed) != n+1 {
				t.Errorf("period %d: the file holds %q; %d expired, %d removed", n, file.at(hostA), r.diary.count(Expired), r.diary.count(Removed))
			}
			pass(55 * time.Minute)
		}
	})
}

func TestTheEndOfATokenIsReportedBeforeItsLoginsGo(t *testing.T) {
	sources := map[string]Source{
		"the fetch fails": &fakeSource{fetch: func(n int) (login.Token, error) {
			if n > 1 {
				return login.Token{}, failing(fault.Network)
			}
			return living(time.Hour)(n)
		}},
		"the fetch hangs": &hungSource{fakeSource: fakeSource{fetch: living(time.Hour)}, hang: 50 * time.Minute},
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			targets := map[string]Target{"file": new(fakeFile), "another": new(fakeFile)}
			inBubble(t, nil, targets, func(c *Config) { c.Source = source }, func(r rig) {
				pass(3 * time.Hour)
				var kinds []Kind
				for _, e := range r.diary.events {
					if e.Kind == Expired || e.Kind == Removed {
						kinds = append(kinds, e.Kind)
					}
				}
				if !slices.Equal(kinds, []Kind{Expired, Removed, Removed}) {
					t.Errorf("got %v", kinds)
				}
			})
		})
	}
}

func TestATargetThatHungEndsWithTheNewestToken(t *testing.T) {
	for name, first := range map[string]error{"at first": nil, "when it is tried again": failing(fault.Engine)} {
		t.Run(name, func(t *testing.T) {
			slow := new(fakeTarget)
			var hang sync.Once
			slow.err = func([]login.Login) (err error) {
				if err, first = first, nil; err == nil {
					hang.Do(func() { time.Sleep(3 * time.Hour) })
				}
				return err
			}
			// All tokens live on: none ends, which would wake the target by itself.
			inBubble(t, living(12*time.Hour), map[string]Target{"slow": slow}, nil, func(r rig) {
				for range 2 {
					pass(time.Hour)
					r.Wake()
				}
				pass(2 * time.Hour)
				if r.source.calls() != 3 || slow.at(hostA) != "3" {
					t.Errorf("the target ends with token %q of %d", slow.at(hostA), r.source.calls())
				}
			})
		})
	}
}

func TestARetryIsForTheFaultThatMayBeOverSoonest(t *testing.T) {
	engine := new(fakeTarget)
	engine.err = func([]login.Login) error {
		return fault.List{{Reason: fault.Denied, Op: "a", Hosts: []string{hostA}}, {Reason: fault.Engine, Op: "b", Hosts: []string{hostB}}}
	}
	inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine}, nil, func(r rig) {
		pass(time.Hour)
		if n := engine.count(); n < 100 {
			t.Errorf("%d tries in an hour, want one in %s at least", n, nearby)
		}
	})
}

func TestAHostThatAcceptsATokenMayRefuseALaterOne(t *testing.T) {
	engine := new(fakeTarget)
	engine.err = func(logins []login.Login) error {
		if s := logins[0].Secret.Reveal(); s == "1" || s == "3" {
			return failing(fault.Rejected)
		}
		return nil
	}
	inBubble(t, living(12*time.Hour), map[string]Target{"engine": engine}, nil, func(r rig) {
		for r.source.calls() < 3 {
			pass(5 * time.Second)
		}
		pass(5 * time.Second)
		if n := r.source.calls(); n != 4 || engine.at(hostA) != "4" {
			t.Errorf("%d calls, and the engine holds %q", n, engine.at(hostA))
		}
	})
}

// A token may die with its session, long before the end that ECR reports.
func TestRetriesHurryWhenTheSessionHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakeSource{fetch: func(n int) (login.Token, error) {
			if n > 1 {
				return login.Token{}, failing(fault.Network)
			}
			token, err := living(12 * time.Hour)(n)
			token.SessionEndsAt = token.ObtainedAt.Add(time.Hour)
			return token, err
		}}
		events := new(diary)
		r := New(Config{Source: source, Policy: usual, Observer: events})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		_ = r.Run(ctx)
		late := func(e Event) bool { return e.At.Sub(source.at[0]) > time.Hour }
		if n := events.count(RenewFailed, late); n < 100 {
			t.Errorf("%d attempts in the two hours after the session's end", n)
		}
		if n := events.count(RenewFailed, late, func(e Event) bool { return e.RetryIn > time.Minute }); n > 0 {
			t.Errorf("%d of them were followed by a wait of more than a minute", n)
		}
	})
}
