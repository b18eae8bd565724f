package eventlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

const (
	grants = 40
	each   = 50 // hosts of a grant: 2,000 in total
)

// scene is an AWS and two targets of which something does not work.
type scene struct {
	mu                sync.Mutex
	rng               *rand.Rand
	aws, engine, file bool // that work
	flapping          bool // the file works every other time
	attempts          int
}

type source struct {
	*scene
	region string
}

// Fetch fails as AWS does in an outage: with several reasons, and never twice with the same text.
func (s source) Fetch(context.Context) (login.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	now := time.Now()
	if s.aws {
		return login.Token{Username: "AWS", Account: "111122223333", ObtainedAt: now, ExpiresAt: now.Add(12 * time.Hour), Secret: login.NewSecret("x")}, nil
	}
	reason := fault.Network
	if s.rng.IntN(3) == 0 {
		reason = fault.Throttled
	}
	return login.Token{}, &fault.Error{Reason: reason, Op: fmt.Sprintf("get authorization token in %q", s.region),
		Err: fmt.Errorf("request %x", s.rng.Uint64()), Hint: "wait"}
}

type target struct {
	*scene
	works  *bool
	reason fault.Reason
}

// Store fails with a fault for each host.
func (t target) Store(_ context.Context, logins []login.Login) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attempts++
	if *t.works {
		return nil
	}
	var faults fault.List
	for _, l := range logins {
		faults = append(faults, &fault.Error{Reason: t.reason, Op: "store the login of " + l.Host, Err: errors.New("no"), Hint: "fix it", Hosts: []string{l.Host}})
	}
	return faults
}

// checked is a target that is looked at every second.
type checked struct{ target }

// Stale fails every other time where the scene is flapping.
func (t checked) Stale(context.Context, []login.Login) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flapping && t.rng.IntN(2) == 0 {
		t.attempts++
		return false, &fault.Error{Reason: t.reason, Op: "look", Err: errors.New("no"), Hint: "fix it"}
	}
	return false, nil
}

// linesOf runs 40 grants until the end of play and returns the lines that they log at info.
func linesOf(t *testing.T, s *scene, play func(*scene)) (lines []observer.LoggedEntry) {
	s.rng = rand.New(rand.NewPCG(1, 2))
	core, logs := observer.New(zapcore.InfoLevel)
	synctest.Test(t, func(t *testing.T) {
		l := New(zap.New(core))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for g := range grants {
			region := fmt.Sprintf("eu-west-%d", g)
			var hosts []string
			for h := range each {
				hosts = append(hosts, fmt.Sprintf("%012d.dkr.ecr.%s.amazonaws.com", h, region))
			}
			engine, file := renew.Target(target{s, &s.engine, fault.Engine}), renew.Target(target{s, &s.file, fault.Local})
			if s.flapping {
				file = checked{file.(target)}
			}
			r := renew.New(renew.Config{Grant: renew.Grant{Region: region, Identity: "default"}, Hosts: hosts, Source: source{s, region},
				Bindings: []renew.Binding{{Name: "engine", Target: engine, Hosts: hosts}, {Name: "file", Target: file, Hosts: hosts}},
				Policy:   renew.Policy{At: 0.5, Jitter: 0.1, Initial: time.Second, Max: 5 * time.Minute}, Observer: l})
			wg.Go(func() { _ = r.Run(ctx) })
		}
		play(s)
		cancel()
		wg.Wait()
	})
	return logs.All()
}

func (s *scene) set(v *bool, to bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*v = to
}

func TestAnOutageIsSummedUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		scene *scene
		play  func(*scene)
		most  int // lines, besides those about renewed tokens; before they were summed up: see was
		was   int
		want  []string // messages
	}{
		{"AWS does not answer, without tokens", &scene{engine: true, file: true}, func(*scene) { time.Sleep(time.Hour) },
			50, 2268, []string{"token not renewed", "token still not renewed"}},
		{"and with tokens, for seven hours, until they are renewed", &scene{aws: true, engine: true, file: true}, func(s *scene) {
			time.Sleep(time.Minute)
			s.set(&s.aws, false)
			time.Sleep(7 * time.Hour)
			s.set(&s.aws, true)
			time.Sleep(time.Hour)
		}, 80, 281, []string{"token not renewed", "token still not renewed", "token renewed again"}},
		{"the engine is away, a fault for each of 2,000 hosts", &scene{aws: true, file: true}, func(*scene) { time.Sleep(time.Hour) },
			25, 840, []string{"login not stored", "login still not stored"}},
		{"a disk is full and then is not", &scene{aws: true, engine: true}, func(s *scene) {
			time.Sleep(time.Hour / 2)
			s.set(&s.file, true)
			time.Sleep(time.Hour / 2)
		}, 25 + grants, 840 + grants, []string{"login not stored", "login still not stored", "login stored again"}},
		{"files that can be read every other time", &scene{aws: true, engine: true, file: true, flapping: true}, func(*scene) { time.Sleep(10 * time.Minute) },
			300, 7500, []string{"login not checked", "login checked again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := make(map[string]int)
			lines := 0
			for _, l := range linesOf(t, tt.scene, tt.play) {
				if got[l.Message]++; l.Message != "token renewed" && l.Message != "token renewed again" {
					lines++
				}
			}
			t.Logf("%d attempts: %v", tt.scene.attempts, got)
			if lines > tt.most {
				t.Errorf("%d lines, want at most %d (each failure of a grant by itself made %d): %v", lines, tt.most, tt.was, got)
			}
			for _, message := range tt.want {
				if got[message] == 0 {
					t.Errorf("no line %q: %v", message, got)
				}
			}
		})
	}
}

// event makes one of the grant-th of many grants, so long after the start.
func event(k renew.Kind, grant int, after time.Duration, err error) renew.Event {
	return renew.Event{Kind: k, Grant: renew.Grant{Region: fmt.Sprint("r", grant), Identity: "default"}, Hosts: []string{fmt.Sprintf("h%02d", grant)},
		At: start.Add(after), Err: err, Attempt: 1, RetryIn: time.Minute}
}

func TestASumSaysHowManySinceWhenAndTheEndHowLong(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	l := New(zap.New(core))
	const many = maxLines + 5
	for i := range many {
		l.Observe(event(renew.RenewFailed, i, 0, faultOf(fault.Network, "x")))
	}
	if n := logs.Len(); n != maxLines {
		t.Fatalf("%d lines at first, want %d", n, maxLines)
	}
	l.Observe(event(renew.RenewFailed, 0, soon-1, faultOf(fault.Network, "x")))
	if n := logs.Len(); n != maxLines {
		t.Fatalf("a sum comes too early")
	}
	l.Observe(event(renew.RenewFailed, 0, soon, faultOf(fault.Network, "y")))
	sum := logs.TakeAll()[maxLines]
	got := sum.ContextMap()
	hosts := got["host"].([]any)
	if sum.Level != zapcore.WarnLevel || sum.Message != "token still not renewed" || got["grants"] != int64(many) || got["failures"] != int64(many+2) ||
		got["since"] != start || got["reason"] != "network" || got["hint"] != "fix it" || got["error"] != "try: y" || got["region"] != nil ||
		len(hosts) != maxHosts+1 || hosts[maxHosts] != fmt.Sprintf("and %d more", many-maxHosts) {
		t.Errorf("the sum is %v %q %v", sum.Level, sum.Message, got)
	}
	// One whose failure was in the sum only is said to work again, too.
	l.Observe(event(renew.Renewed, many-1, time.Hour/2, nil))
	again := logs.TakeAll()[0]
	if got := again.ContextMap(); again.Message != "token renewed again" || got["failures"] != int64(1) || got["failed_for"] != time.Hour/2 {
		t.Errorf("the end is %q %v", again.Message, got)
	}
	// Of one grant the sum names it, and its next attempt.
	for i := range many {
		if i != 3 {
			l.Observe(event(renew.Renewed, i, time.Hour/2, nil))
		}
	}
	logs.TakeAll()
	l.Observe(event(renew.RenewFailed, 3, soon+window-1, faultOf(fault.Network, "x")))
	l.Observe(event(renew.RenewFailed, 3, soon+window, faultOf(fault.Network, "x")))
	all := logs.TakeAll()
	if len(all) != 1 {
		t.Fatalf("%d lines an hour later, want 1", len(all))
	}
	if got := all[0].ContextMap(); got["region"] != "r3" || got["grants"] != int64(1) || got["retry_in"] != time.Minute {
		t.Errorf("the sum of one is %v", got)
	}
}

func TestAGrantThatIsGoneIsNotCounted(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	l := New(zap.New(core))
	l.Observe(event(renew.RenewFailed, 0, 0, faultOf(fault.Denied, "x"))) // a reload ends it
	for at := time.Duration(0); at <= 2*window; at += 10 * time.Minute {
		l.Observe(event(renew.RenewFailed, 1, at, faultOf(fault.Denied, "x")))
	}
	all := logs.All()
	if last := all[len(all)-1]; last.Message != "token still not renewed" || last.ContextMap()["grants"] != int64(1) {
		t.Errorf("the last line is %q %v", last.Message, last.ContextMap())
	}
}

func TestAnotherReasonLeavesTheSumOfTheFirst(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	l := New(zap.New(core))
	for i := range 3 {
		l.Observe(event(renew.RenewFailed, i, 0, faultOf(fault.Network, "x")))
	}
	l.Observe(event(renew.RenewFailed, 2, time.Minute, faultOf(fault.Denied, "x")))
	l.Observe(event(renew.RenewFailed, 0, window, faultOf(fault.Network, "x")))
	all := logs.All()
	if len(all) != 5 || all[3].Level != zapcore.ErrorLevel || all[4].ContextMap()["grants"] != int64(2) {
		t.Errorf("got %v", all)
	}
}

func TestAnExpiredTokenSaysWhyThereIsNoOther(t *testing.T) {
	core, logs := observer.New(zapcore.ErrorLevel)
	l := New(zap.New(core))
	l.Observe(event(renew.RenewFailed, 0, 0, faultOf(fault.Network, "x")))
	l.Observe(event(renew.Expired, 0, time.Minute, nil))
	l.Observe(event(renew.Expired, 1, time.Minute, nil))
	all := logs.All()
	if len(all) != 2 {
		t.Fatalf("%d lines", len(all))
	}
	if got := all[0].ContextMap(); got["reason"] != "network" || got["error"] != "try: x" || got["hint"] != "fix it" {
		t.Errorf("got %v", got)
	}
	if got := all[1].ContextMap(); got["hint"] == "" || got["error"] == "" {
		t.Errorf("without a known cause: %v", got)
	}
}

func TestSumsBecomeRarer(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	l := New(zap.New(core))
	for i := range maxLines + 1 {
		l.Observe(event(renew.RenewFailed, i, 0, faultOf(fault.Network, "x")))
	}
	logs.TakeAll()
	for s := range 59 * 60 { // each second another grant fails, as their tokens come to be renewed
		l.Observe(event(renew.RenewFailed, maxLines+1+s, time.Duration(s)*time.Second, faultOf(fault.Network, "x")))
	}
	if n := logs.Len(); n < 4 || n > 6 { // after 1, 3, 7, 15 and 31 minutes
		t.Errorf("%d sums in an hour, want 5", n)
	}
}

func TestASumNamesEachHostOnce(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	l := New(zap.New(core))
	both := errors.Join(faultOf(fault.Local, "x"), &fault.Error{Reason: fault.Local, Op: "look"})
	l.Observe(event(renew.StoreFailed, 0, 0, both))
	l.Observe(event(renew.StoreFailed, 0, window, both))
	all := logs.All()
	if len(all) != 3 || len(all[2].ContextMap()["host"].([]any)) != 1 {
		t.Errorf("got %v", all)
	}
}

func TestAProgramThatUndoesAllLoginsEveryMinuteIsSummedUp(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	l := New(zap.New(core))
	for minute := range 60 {
		for g := range grants {
			l.Observe(event(renew.Undone, g, time.Duration(minute)*time.Minute, nil))
			l.Observe(event(renew.Stored, g, time.Duration(minute)*time.Minute, nil))
		}
	}
	all := logs.All()
	if len(all) > maxLines+6 {
		t.Fatalf("%d lines of %d", len(all), 60*grants)
	}
	if all[0].Level != zapcore.InfoLevel {
		t.Errorf("the first is %v", all[0])
	}
	last := all[len(all)-1]
	if got := last.ContextMap(); last.Level != zapcore.WarnLevel || got["grants"] != int64(grants) || got["hint"] != undoneHint || got["failures"].(int64) < 20*grants {
		t.Errorf("the last is %v %v", last.Level, got)
	}
	// Two hours later it is an event of its own again, of now.
	l.Observe(event(renew.Undone, 0, 3*time.Hour, nil))
	if l := logs.All()[logs.Len()-1]; l.Level != zapcore.InfoLevel {
		t.Errorf("hours later: %v", l)
	}
}
