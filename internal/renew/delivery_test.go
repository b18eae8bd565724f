package renew

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// scripted is a target that returns what it is set to and notes its calls.
type scripted struct {
	calls []string
	store error
	check error
	stale bool
	take  error // of Remove and Release
}

func (s *scripted) note(call string, logins []login.Login) {
	for _, l := range logins {
		call += " " + l.Host[:1] + l.Secret.Reveal() // the first digit of the host's account tells it
	}
	s.calls = append(s.calls, call)
}

func (s *scripted) Store(_ context.Context, logins []login.Login) error {
	s.note("store", logins)
	return s.store
}

func (s *scripted) Stale(_ context.Context, logins []login.Login) (bool, error) {
	s.note("check", logins)
	return s.stale, s.check
}

func (s *scripted) Remove(_ context.Context, logins []login.Login) error {
	s.note("remove", logins)
	return s.take
}

func (s *scripted) Release(_ context.Context, logins []login.Login) error {
	s.note("release", logins)
	return s.take
}

// watched is one that reports changes; there are none.
type watched struct{ *scripted }

func (watched) Watch(context.Context, func()) {}

// plain leaves only Store of a target.
type plain struct{ Target }

// deliveryAt is a delivery on a renewer whose clock reads now.
func deliveryAt(now time.Duration, target Target, observer Observer) *delivery {
	r := New(Config{Hosts: []string{hostA, hostB}, Observer: observer, Policy: usual, Bindings: []Binding{{"target", target, []string{hostA, hostB}}}})
	r.clock.now = now
	return r.targets[0]
}

// tokenUntil is a token that expires at the renewer's time expires.
func tokenUntil(secret string, expires time.Duration) *timedToken {
	return &timedToken{Token: login.Token{Account: "111122223333", Secret: login.NewSecret(secret)}, expires: expires}
}

func TestStep(t *testing.T) {
	const now, later = time.Hour, 10 * time.Hour
	a, b := hostA, hostB
	badB := fault.List{{Reason: fault.Local, Op: "store", Hosts: []string{b}}}
	refusedB := fault.List{{Reason: fault.Rejected, Op: "log in", Hosts: []string{b}}}
	// has is a target that has these hosts and is to be looked at since half a second.
	has := func(hosts ...string) func(*delivery) {
		return func(d *delivery) {
			d.have = loginsFor(hosts, d.token.Token)
			d.looks.at, d.retry.at = now-time.Second/2, now+20*time.Second
			if len(hosts) == len(d.want) {
				d.retry.at = 0
			}
		}
	}
	and := func(changes ...func(*delivery)) func(*delivery) {
		return func(d *delivery) {
			for _, change := range changes {
				change(d)
			}
		}
	}
	lookLater := func(d *delivery) { d.looks.at = now + 700*time.Millisecond }
	failed := func(n int) func(*delivery) { return func(d *delivery) { d.retry.failures = n } }
	over := func(d *delivery) { d.token.expires = now }
	gone := func(d *delivery) { d.want, d.have, d.token.expires = nil, d.want, now-time.Second }
	blind := func(d *delivery) { d.looks.failed = true }
	conflict := func(d *delivery) { d.looks.conflict = true }
	dropped := func(d *delivery) { d.drop = []login.Login{{Host: "9", Token: login.Token{}}} }
	watches := func(d *delivery) { d.Target = watched{d.Target.(*scripted)} }
	undoneOften := func(d *delivery) {
		for i := range conflictLimit - 1 {
			d.looks.undone = append(d.looks.undone, now-time.Duration(conflictLimit-i)*time.Second)
		}
	}
	undoneSlowly := func(d *delivery) {
		for i := range conflictLimit - 1 {
			d.looks.undone = append(d.looks.undone, now-time.Duration(conflictLimit-i)*3*time.Second)
		}
	}
	const (
		retry = -1 // next is what the policy says; between the floor and the ceiling
		none  = -2 // nothing more until there is another token
	)

	tests := []struct {
		name   string
		state  func(*delivery)
		target scripted
		plain  bool // only Store, of the target

		calls    string // of the target
		events   string
		have     int
		failures int
		next     time.Duration // from now
		conflict bool
	}{
		{name: "a new token is stored, and looked at after a second", calls: "store 11 41", events: "Stored 2", have: 2, next: time.Second},
		{name: "a target that none undoes is left alone until the end", plain: true, calls: "store 11 41", events: "Stored 2", have: 2, next: later - now},
		{name: "one that fails is tried again", target: scripted{store: failing(fault.Local)}, calls: "store 11 41",
			events: "StoreFailed 2 #1", failures: 1, next: retry},
		{name: "a second failure counts", state: failed(1), target: scripted{store: failing(fault.Local)}, calls: "store 11 41",
			events: "StoreFailed 2 #2", failures: 2, next: retry},
		{name: "a success ends the count", state: failed(7), calls: "store 11 41", events: "Stored 2", have: 2, next: time.Second},
		{name: "the good hosts of a call count as stored", target: scripted{store: badB}, calls: "store 11 41",
			events: "Stored 1 partial, StoreFailed 1 #1", have: 1, failures: 1, next: time.Second},
		{name: "a refused host has failed", target: scripted{store: refusedB}, plain: true, calls: "store 11 41",
			events: "Stored 1 partial, StoreFailed 1 #1", have: 1, failures: 1, next: retry},
		{name: "nothing is tried before its time", state: func(d *delivery) { d.retry.at = now + 3*time.Second }, next: 3 * time.Second},

		{name: "what is in place is left there", state: has(a, b), calls: "check 11 41", have: 2, next: time.Second},
		{name: "it is not looked at before its time", state: and(has(a, b), lookLater), have: 2, next: 700 * time.Millisecond},
		{name: "what can be watched is looked at rarely", state: and(has(a, b), watches), calls: "check 11 41", have: 2, next: watchedInterval},
		{name: "what can be watched is looked at once after a store", state: watches, calls: "store 11 41", events: "Stored 2", have: 2, next: time.Second},
		{name: "an undone login is stored at once", state: has(a, b), target: scripted{stale: true}, calls: "check 11 41", events: "Undone 2", next: -now},
		{name: "so it is though another host fails", state: and(has(a), failed(3)), target: scripted{stale: true}, calls: "check 11",
			events: "Undone 1", failures: 3, next: -now},
		{name: "those that are in place change nothing for another host", state: and(has(a), failed(3)), calls: "check 11", have: 1, failures: 3, next: time.Second},
		{name: "a host that fails waits for its time", state: and(has(a), failed(3), lookLater), have: 1, failures: 3, next: 700 * time.Millisecond},

		{name: "a look that fails undoes nothing", state: has(a, b), target: scripted{check: failing(fault.Local)}, calls: "check 11 41",
			events: "CheckFailed 2 #1", have: 2, failures: 1, next: retry},
		{name: "it waits longer each time", state: and(has(a, b), blind, failed(4)), target: scripted{check: failing(fault.Local)}, calls: "check 11 41",
			events: "CheckFailed 2 #5", have: 2, failures: 5, next: retry},
		{name: "when it succeeds, all is well", state: and(has(a, b), blind, failed(4)), calls: "check 11 41", events: "Checked 2", have: 2, next: time.Second},
		{name: "or those that are there are", state: and(has(a), blind, failed(4)), calls: "check 11", events: "Checked 1", have: 1, failures: 4, next: time.Second},
		{name: "or something was undone", state: and(has(a, b), blind, failed(4)), target: scripted{stale: true}, calls: "check 11 41",
			events: "Checked 2, Undone 2", failures: 4, next: -now},

		{name: "who undoes them again and again is in conflict", state: and(has(a, b), undoneOften), target: scripted{stale: true}, calls: "check 11 41",
			events: "Undone 2 error", next: -now, conflict: true},
		{name: "who does so now and then is not", state: and(has(a, b), undoneSlowly), target: scripted{stale: true}, calls: "check 11 41",
			events: "Undone 2", next: -now},
		{name: "a conflict is named once", state: and(has(a, b), undoneOften, conflict), target: scripted{stale: true}, calls: "check 11 41",
			events: "Undone 2", next: -now, conflict: true},
		{name: "during a conflict looks are rare", state: conflict, calls: "store 11 41", events: "Stored 2", have: 2, next: conflictInterval, conflict: true},
		{name: "a conflict ends when they are found in place", state: and(has(a, b), conflict), calls: "check 11 41", have: 2, next: time.Second},

		{name: "hosts of the previous account are released", state: and(has(a, b), dropped), calls: "release 9", events: "Removed 1", have: 2, next: -time.Second / 2},
		{name: "tried once", state: and(has(a, b), dropped), target: scripted{take: failing(fault.Local)}, calls: "release 9",
			events: "RemoveFailed 1 error", have: 2, next: -time.Second / 2},
		{name: "not before one of ours is there", state: dropped, target: scripted{store: failing(fault.Local)}, calls: "store 11 41",
			events: "StoreFailed 2 #1", failures: 1, next: retry},
		{name: "unless the target keeps nothing", state: and(has(a, b), dropped), plain: true, have: 2, next: later - now},

		{name: "expired logins stay for the removal's delay", state: and(has(a, b), over), have: 2, next: removalDelay},
		{name: "also those that may not be there", state: and(has(a), failed(3), over), have: 2, next: removalDelay},
		{name: "then they go", state: gone, calls: "remove 11 41", events: "Expired 2, Removed 2", next: none},
		{name: "if they can", state: gone, target: scripted{take: failing(fault.Local)}, calls: "remove 11 41",
			events: "Expired 2, RemoveFailed 2 #1", have: 2, failures: 1, next: retry},
		{name: "where they do harm", state: gone, plain: true, events: "Expired 2", next: none},
		{name: "and nothing is left to do", state: func(d *delivery) { d.want = nil }, next: none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events, target := new(diary), tt.target
				d := deliveryAt(now, &target, events)
				if tt.plain {
					d.Target = plain{&target}
				}
				d.take(tokenUntil("1", later))
				if tt.state != nil {
					tt.state(d)
				}
				next := d.step(t.Context(), now)

				if got := strings.Join(target.calls, ", "); got != tt.calls {
					t.Errorf("calls %q, want %q", got, tt.calls)
				}
				if got := listed(events); got != tt.events {
					t.Errorf("events %q, want %q", got, tt.events)
				}
				if len(d.have) != tt.have || d.retry.failures != tt.failures {
					t.Errorf("it has %d after %d failures, want %d and %d", len(d.have), d.retry.failures, tt.have, tt.failures)
				}
				switch wait := next - now; {
				case tt.next == retry:
					if wait < floor || wait > nearby || next != d.retry.at {
						t.Errorf("the next step is in %v", wait)
					}
				case tt.next == none:
					if next != never {
						t.Errorf("the next step is in %v, want none", wait)
					}
				case wait != tt.next:
					t.Errorf("the next step is in %v, want %v", wait, tt.next)
				}
				if d.looks.conflict != tt.conflict {
					t.Errorf("in conflict: %v", d.looks.conflict)
				}
			})
		})
	}
}

// listed is what the diary has: kind, number of hosts, attempt or error.
func listed(d *diary) string {
	names := map[Kind]string{Expired: "Expired", Stored: "Stored", StoreFailed: "StoreFailed", Undone: "Undone",
		CheckFailed: "CheckFailed", Checked: "Checked", Removed: "Removed", RemoveFailed: "RemoveFailed"}
	var all []string
	for _, e := range d.events {
		text := names[e.Kind] + " " + string(rune('0'+len(e.Hosts)))
		switch {
		case e.Partial:
			text += " partial"
		case e.Attempt > 0:
			text += " #" + string(rune('0'+e.Attempt))
		case e.Err != nil:
			text += " error"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// forgetter can only store and forget; it holds hostA and hostB.
type forgetter struct{ scripted *scripted }

func (f forgetter) Store(ctx context.Context, l []login.Login) error { return f.scripted.Store(ctx, l) }

func (f forgetter) Forget(_ context.Context, ours func(string) bool) error {
	for _, host := range []string{hostA, hostB} {
		if ours(host) {
			f.scripted.calls = append(f.scripted.calls, "forget "+host[:1])
		}
	}
	return f.scripted.take
}

func TestWhatIsKeptOfAHostGoesAsTheTargetCan(t *testing.T) {
	tests := []struct {
		name   string
		target func(*scripted) Target
		fails  bool
		calls  string
		events string
	}{
		{"released", func(s *scripted) Target { return s }, false, "release 42", "Removed 1"},
		{"else removed", func(s *scripted) Target {
			return struct {
				Target
				Remover
			}{s, s}
		}, false, "remove 42", "Removed 1"},
		{"else forgotten", func(s *scripted) Target { return forgetter{s} }, false, "forget 4", "Removed 1"},
		{"or not", func(s *scripted) Target { return forgetter{s} }, true, "forget 4", "RemoveFailed 1 error"},
		{"a target that can do nothing", func(s *scripted) Target { return plain{s} }, false, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, events := new(scripted), new(diary)
			if tt.fails {
				target.take = failing(fault.Local)
			}
			d := deliveryAt(time.Hour, tt.target(target), events)
			d.take(tokenUntil("1", 2*time.Hour))
			d.have, d.drop = d.want, loginsFor([]string{hostB}, tokenUntil("2", 0).Token)
			d.release(t.Context())
			if got := strings.Join(target.calls, ", "); got != tt.calls || listed(events) != tt.events || d.drop != nil {
				t.Errorf("calls %q, events %q, want %q and %q; %d left to drop", got, listed(events), tt.calls, tt.events, len(d.drop))
			}
		})
	}
}
