package renew

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

func TestOnce(t *testing.T) {
	// after returns n failures of reason r, then tokens.
	after := func(n int, r fault.Reason) func(int) (login.Token, error) {
		return func(call int) (login.Token, error) {
			if call <= n {
				return login.Token{}, failing(r)
			}
			return living(12 * time.Hour)(call)
		}
	}
	tests := []struct {
		name    string
		fetch   func(int) (login.Token, error)
		stores  []error // what Store returns, call by call; then nil
		fetches int
		tries   int // of the target
		fails   bool
	}{
		{"all well", after(0, ""), nil, 1, 1, false},
		{"AWS hiccups twice", after(2, fault.Network), nil, 3, 1, false},
		{"AWS is away", after(9, fault.Throttled), nil, 3, 0, true},
		{"AWS says no", after(9, fault.Denied), nil, 1, 0, true},
		{"the engine hiccups", after(0, ""), []error{failing(fault.Engine)}, 1, 2, false},
		{"the engine hiccups twice", after(0, ""), []error{failing(fault.Engine), failing(fault.Engine)}, 1, 3, false},
		{"the engine is away", after(0, ""), []error{failing(fault.Engine), failing(fault.Engine), failing(fault.Engine), failing(fault.Engine)}, 1, 3, true},
		{"the disk is full", after(0, ""), []error{failing(fault.Local), failing(fault.Local)}, 1, 1, true},
		{"a fresh token is refused", after(0, ""), []error{failing(fault.Rejected)}, 2, 2, false},
		{"all tokens are refused", after(0, ""), []error{failing(fault.Rejected), failing(fault.Rejected)}, 2, 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, target := &fakeSource{fetch: tt.fetch}, new(fakeTarget)
				answers := tt.stores
				target.err = func([]login.Login) (err error) {
					if len(answers) > 0 {
						err, answers = answers[0], answers[1:]
					}
					return err
				}
				r := New(Config{Hosts: []string{hostA}, Source: source, Observer: new(diary), Policy: usual,
					Bindings: []Binding{{"engine", target, []string{hostA}}}})
				began := time.Now()
				err := r.Once(t.Context())
				if took := time.Since(began); took > 3*time.Second && tt.name != "AWS is away" {
					t.Errorf("it took %v; two waits are 3 s at most", took)
				}
				if (err != nil) != tt.fails || source.calls() != tt.fetches || target.count() != tt.tries {
					t.Errorf("%d fetches, %d stores, error %v; want %d, %d, failure %v",
						source.calls(), target.count(), err, tt.fetches, tt.tries, tt.fails)
				}
			})
		})
	}
}

func TestOnceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := New(Config{Hosts: []string{hostA}, Source: &fakeSource{fetch: living(time.Hour)}, Observer: new(diary), Policy: usual,
			Bindings: []Binding{{"hung", hungTarget{}, []string{hostA}}}})
		if err := r.Once(ctx); err == nil {
			t.Error("a target that hung is no failure")
		}
	})
}
