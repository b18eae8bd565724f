package renew

import (
	"context"
	"errors"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// awaited is what Await returns, and how long that takes.
func awaited(r rig, patience time.Duration) (token login.Token, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	token, err = r.Await(ctx)
	return token, time.Since(began), err
}

func TestAwaitWaitsOnlyWhileThereIsHope(t *testing.T) {
	tests := []struct {
		name   string
		fetch  func(int) (login.Token, error)
		hang   time.Duration
		secret string       // that Await returns, in the end
		reason fault.Reason // or the cause
		quick  bool         // long before its patience is over
	}{
		{"held", living(time.Hour), 0, "1", "", true},
		{"on its way", living(time.Hour), 5 * time.Second, "1", "", true},
		{"a passing fault", func(n int) (login.Token, error) {
			if n < 3 {
				return login.Token{}, failing(fault.Network)
			}
			return living(time.Hour)(n)
		}, 0, "3", "", true},
		{"one that lasts", func(int) (login.Token, error) { return login.Token{}, failing(fault.Denied) }, 0, "", fault.Denied, true},
		{"a fetch that hangs", living(time.Hour), time.Hour, "", fault.Network, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hung := func(c *Config) {
				if tt.hang > 0 {
					c.Source = lateSource{tt.fetch, tt.hang}
				}
			}
			inBubble(t, tt.fetch, nil, hung, func(r rig) {
				token, took, err := awaited(r, 30*time.Second)
				if token.Secret.Reveal() != tt.secret || tt.reason != "" && !fault.Has(err, tt.reason) {
					t.Errorf("got the token %q, error %v", token.Secret.Reveal(), err)
				}
				if (took < 20*time.Second) != tt.quick {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestAwaitDoesNotWaitForAnAttemptThatIsFarAway(t *testing.T) {
	never := func(int) (login.Token, error) { return login.Token{}, failing(fault.Network) }
	inBubble(t, never, nil, nil, func(r rig) {
		pass(24 * time.Hour)
		for range 100 {
			next := r.diary.last(RenewFailed).NextRefreshAt
			if left := time.Until(next); left > 10*time.Second {
				if _, took, err := awaited(r, 5*time.Second); took != 0 || !fault.Has(err, fault.Network) {
					t.Errorf("it took %s, with the next attempt in %s; error %v", took, left, err)
				}
				return
			}
			pass(time.Second)
		}
		t.Error("attempts never lie apart")
	})
}

func TestRefreshWaitsForTokenAndTargets(t *testing.T) {
	file, slow := new(fakeFile), &slowTarget{takes: 7 * time.Second}
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file, "slow": slow}, nil, func(r rig) {
		pass(time.Minute)
		began := time.Now()
		if err := r.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		if file.at(hostA) != "2" || slow.at(hostA) != "2" || time.Since(began) < 7*time.Second {
			t.Errorf("after %s the targets hold %q and %q", time.Since(began), file.at(hostA), slow.at(hostA))
		}
	})
}

func TestRefreshReturnsWhyItFailed(t *testing.T) {
	first := func(n int) (login.Token, error) {
		if n > 1 {
			return login.Token{}, failing(fault.Denied)
		}
		return living(12 * time.Hour)(n)
	}
	inBubble(t, first, map[string]Target{"hung": hungTarget{}}, nil, func(r rig) {
		pass(time.Minute)
		if err := r.Refresh(context.Background()); !fault.Has(err, fault.Denied) {
			t.Errorf("got %v", err)
		}
	})
	inBubble(t, living(12*time.Hour), map[string]Target{"hung": hungTarget{}}, nil, func(r rig) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a target that hangs: %v", err)
		}
	})
}

func TestThoseWhoWaitReceiveErrEnded(t *testing.T) {
	waits := map[string]func(r rig) error{
		"Await":   func(r rig) error { _, err := r.Await(context.Background()); return err },
		"Refresh": func(r rig) error { return r.Refresh(context.Background()) },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			var err error
			inBubble(t, nil, nil, func(c *Config) { c.Source = lateSource{living(time.Hour), time.Hour} }, func(r rig) {
				go func() { err = wait(r) }()
				pass(time.Second)
			})
			if !errors.Is(err, ErrEnded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUntilWaitsForTheTargetsOfTheFirstToken(t *testing.T) {
	settled := func(s State) bool { return s.Ended > 0 && s.AllTried }
	slow := &slowTarget{takes: 7 * time.Second}
	inBubble(t, living(12*time.Hour), map[string]Target{"slow": slow}, nil, func(r rig) {
		s, err := r.Until(context.Background(), settled)
		if slow.at(hostA) != "1" || err != nil || s.Tokens != 1 {
			t.Errorf("%+v, error %v, and the target holds %q", s, err, slow.at(hostA))
		}
	})
	denied := func(int) (login.Token, error) { return login.Token{}, failing(fault.Denied) }
	inBubble(t, denied, map[string]Target{"slow": slow}, nil, func(r rig) {
		if s, err := r.Until(context.Background(), settled); err != nil || s.Tokens != 0 || !fault.Has(s.Err, fault.Denied) {
			t.Errorf("without a token: %+v, error %v", s, err)
		}
	})
}

func TestALoopThatHangsIsStuck(t *testing.T) {
	deaf := func(c *Config) { c.Source, c.FetchLimit = deafSource{3 * time.Hour}, time.Minute }
	inBubble(t, nil, nil, deaf, func(r rig) {
		pass(3 * time.Minute)
		if r.Stuck() {
			t.Error("stuck while an attempt may still take its time")
		}
		pass(time.Hour)
		if !r.Stuck() {
			t.Error("not stuck, though the source does not come back")
		}
		pass(3 * time.Hour)
		if r.Stuck() {
			t.Error("stuck after it ran on")
		}
	})
	inBubble(t, living(12*time.Hour), nil, nil, func(r rig) {
		for range 24 * 60 {
			if pass(time.Minute); r.Stuck() {
				t.Fatal("a loop that sleeps is no loop that is stuck")
			}
		}
	})
}

func TestATargetThatHangsIsStuckUntilItReturns(t *testing.T) {
	deaf, file, engine := &slowTarget{takes: time.Hour}, new(fakeFile), new(fakeTarget)
	inBubble(t, living(12*time.Hour), map[string]Target{"deaf": deaf, "file": file, "engine": engine}, nil, func(r rig) {
		pass(5 * time.Minute) // as long as a command of the user's may take
		if got := r.StuckTargets(); got != nil {
			t.Errorf("stuck after 5 minutes: %v", got)
		}
		pass(30 * time.Minute)
		if got := r.StuckTargets(); len(got) != 1 || got[0] != "deaf" {
			t.Errorf("stuck after 35 minutes: %v", got)
		}
		recovered := 0
		for range 24 * 60 { // until it returns, and over renewals, each of which takes an hour again
			pass(time.Minute)
			got := r.StuckTargets()
			if len(got) > 1 || len(got) == 1 && got[0] != "deaf" {
				t.Fatalf("stuck: %v, but one that sleeps is not", got)
			}
			if got == nil {
				recovered++
			}
		}
		if recovered < 12*60 {
			t.Errorf("well for %d minutes of a day only", recovered)
		}
	})
}

// deafSource takes its time whatever its context says, once.
type deafSource struct{ deaf time.Duration }

func (s deafSource) Fetch(context.Context) (login.Token, error) {
	time.Sleep(s.deaf)
	return living(12 * time.Hour)(1)
}

// lateSource answers after a while.
type lateSource struct {
	fetch func(int) (login.Token, error)
	late  time.Duration
}

func (s lateSource) Fetch(ctx context.Context) (login.Token, error) {
	select {
	case <-ctx.Done():
		return login.Token{}, ctx.Err()
	case <-time.After(s.late):
		return s.fetch(1)
	}
}

// slowTarget takes its time.
type slowTarget struct {
	fakeTarget
	takes time.Duration
}

func (s *slowTarget) Store(ctx context.Context, logins []login.Login) error {
	time.Sleep(s.takes)
	return s.fakeTarget.Store(ctx, logins)
}
