package status

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

var (
	grant = renew.Grant{Region: "eu-west-1", Identity: "profile ci"}
	at    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

const (
	named = "444455556666.dkr.ecr.eu-west-1.amazonaws.com"
	own   = login.OwnAccount + ".dkr.ecr.eu-west-1.amazonaws.com"
	ours  = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
)

func board() *Board {
	targets := func() []Target {
		return []Target{{Name: "engine", Type: "engine"}, {Name: "file", Type: "docker-config"}}
	}
	return New([]Row{
		{grant, Registry{Host: named, Account: "444455556666", Region: "eu-west-1", Identity: "profile ci", Targets: targets()}},
		{grant, Registry{Host: own, Account: login.OwnAccount, Region: "eu-west-1", Identity: "profile ci", Targets: targets()}},
	})
}

// feed fills in what every event of the test has in common.
func feed(b *Board, events ...renew.Event) {
	for _, e := range events {
		e.Grant, e.At = grant, at
		if e.Hosts == nil {
			e.Hosts = []string{named, ours}
		}
		b.Observe(e)
	}
}

var (
	boom    = &fault.Error{Reason: fault.Denied, Op: "ask", Err: errors.New("no"), Hint: "allow it"}
	renewed = renew.Event{Kind: renew.Renewed, Account: "111122223333", ObtainedAt: at, ExpiresAt: at.Add(12 * time.Hour), NextRefreshAt: at.Add(6 * time.Hour)}
	fails   = renew.Event{Kind: renew.RenewFailed, Attempt: 3, NextRefreshAt: at.Add(time.Minute), Err: boom}
	stored  = renew.Event{Kind: renew.Stored, Target: "engine"}
)

func TestAWrongClockIsTheTokensThatWasReportedWithIt(t *testing.T) {
	skewed := renew.Event{Kind: renew.ClockWrong, Err: boom}
	tests := []struct {
		name   string
		events []renew.Event
		want   bool
	}{
		{"right", []renew.Event{renewed}, false},
		{"wrong", []renew.Event{skewed, renewed}, true},
		{"wrong, and then no token", []renew.Event{skewed, renewed, fails}, true},
		{"right again", []renew.Event{skewed, renewed, renewed}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, next := board(), board()
			feed(b, tt.events...)
			feed(next, renew.Event{Kind: renew.Adopted, Account: "111122223333", ObtainedAt: at, ExpiresAt: at.Add(time.Hour)})
			next.Inherit(b, func(string) bool { return true })
			for _, r := range append(b.Registries(at), next.Registries(at)...) {
				if r.ClockWrong != tt.want {
					t.Errorf("%s: %v", r.Host, r.ClockWrong)
				}
			}
		})
	}
}

func TestStatesOfARegistry(t *testing.T) {
	tests := []struct {
		name   string
		events []renew.Event
		now    time.Duration
		want   State
		fails  int
	}{
		{"nothing yet", nil, 0, Pending, 0},
		{"cannot get the first", []renew.Event{{Kind: renew.RenewFailed, Attempt: 1, Err: boom, Hosts: []string{named, own}}}, 0, Pending, 1},
		{"renewed", []renew.Event{renewed}, 0, Fresh, 0},
		{"renewal fails", []renew.Event{renewed, fails}, 0, Failing, 3},
		{"and recovers", []renew.Event{renewed, fails, renewed}, 0, Fresh, 0},
		{"expired, by the event", []renew.Event{renewed, fails, {Kind: renew.Expired}}, 0, Expired, 3},
		{"expired, by the clock", []renew.Event{renewed}, 12 * time.Hour, Expired, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := board()
			feed(b, tt.events...)
			for _, r := range b.Registries(at.Add(tt.now)) {
				if r.State != tt.want || r.ConsecutiveFailures != tt.fails {
					t.Errorf("%s: %s after %d failures, want %s after %d", r.Host, r.State, r.ConsecutiveFailures, tt.want, tt.fails)
				}
				if (tt.fails > 0) != (r.Error != nil && r.Error.Hint == "allow it" && r.Error.Reason == fault.Denied) {
					t.Errorf("%s: error %+v", r.Host, r.Error)
				}
			}
		})
	}
}

func TestTheOwnAccountIsNamedOnceItIsKnown(t *testing.T) {
	b := board()
	other := renewed
	other.Grant = renew.Grant{Region: "us-east-1"}
	b.Observe(other)
	if got := b.Registries(at)[1].Host; got != own {
		t.Errorf("before: %q", got)
	}
	feed(b, renewed, stored)
	r := b.Registries(at)[1]
	if r.Host != ours || r.Account != "111122223333" || r.Targets[0].State != OK {
		t.Errorf("after: %+v", r)
	}
}

func TestTargetsStandAloneAndByHost(t *testing.T) {
	b := board()
	feed(b, renewed, renew.Event{Kind: renew.Stored, Target: "engine", Hosts: []string{named}, Partial: true},
		renew.Event{Kind: renew.StoreFailed, Target: "engine", Hosts: []string{ours},
			Err: fault.List{{Reason: fault.Network, Op: "other", Hosts: []string{named}}, {Reason: fault.Rejected, Op: "log in", Hosts: []string{ours}}}})
	rows := b.Registries(at)
	if got := rows[0].Targets; got[0].State != OK || got[0].StoredAt == nil || got[1].State != Pending {
		t.Errorf("%s: %+v", named, got)
	}
	if got := rows[1].Targets[0]; got.State != Failed || got.Error.Reason != fault.Rejected {
		t.Errorf("%s: %+v, %+v", ours, got, got.Error)
	}
	feed(b, renew.Event{Kind: renew.Removed, Target: "engine"})
	if got := b.Registries(at)[0].Targets[0]; got.State != Pending || got.StoredAt != nil {
		t.Errorf("removed: %+v", got)
	}
	// What was handed out is a copy.
	if rows[0].Targets[0].State != OK {
		t.Error("a snapshot changes afterwards")
	}
}

// TestTheSourceIsThatOfTheToken: a token of a former process has none.
func TestTheSourceIsThatOfTheToken(t *testing.T) {
	b := board()
	first := renewed
	first.Source, first.SessionEndsAt = `profile "ci"`, at.Add(time.Hour)
	feed(b, first, fails)
	if r := b.Registries(at)[0]; r.Source != `profile "ci"` || r.SessionEndsAt == nil || !r.SessionEndsAt.Equal(at.Add(time.Hour)) {
		t.Errorf("got %q until %v", r.Source, r.SessionEndsAt)
	}
	feed(b, renewed)
	if r := b.Registries(at)[0]; r.Source != "" || r.SessionEndsAt != nil {
		t.Errorf("got %q until %v of a token without", r.Source, r.SessionEndsAt)
	}
}

func TestJSONHasTheKeysThatScriptsRead(t *testing.T) {
	b := board()
	feed(b, renewed, fails, stored)
	out, err := json.Marshal(b.Registries(at)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"host":"444455556666`, `"account":"444455556666"`, `"region":"eu-west-1"`, `"identity":"profile ci"`,
		`"state":"failing"`, `"expires_at":"2026-03-02T00:00:00Z"`, `"refreshed_at":"2026-03-01T12:00:00Z"`,
		`"next_refresh_at":"2026-03-01T12:01:00Z"`, `"consecutive_failures":3`,
		`"error":{"reason":"denied","message":"ask: no","hint":"allow it","at":"2026-03-01T12:00:00Z"}`,
		`{"name":"engine","type":"engine","state":"ok","stored_at":"2026-03-01T12:00:00Z","error":null}`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s\nlacks %s", out, want)
		}
	}
}

func TestATargetThatHasAnExpiredTokenIsNotOK(t *testing.T) {
	want := func(b *Board, now time.Time, engine, file State) {
		t.Helper()
		got := b.Registries(now)[0].Targets
		if got[0].State != engine || got[1].State != file || got[0].StoredAt == nil {
			t.Errorf("got %+v", got)
		}
	}
	b := board()
	feed(b, renewed, stored, renew.Event{Kind: renew.StoreFailed, Target: "file", Err: boom})
	want(b, at, OK, Failed)
	want(b, at.Add(12*time.Hour), Pending, Failed) // by the clock
	want(b, at, OK, Failed)                        // which changes nothing on the board
	feed(b, renew.Event{Kind: renew.Expired}, renewed)
	want(b, at, Pending, Failed) // the engine has the expired one still
	feed(b, stored)
	want(b, at, OK, Failed)
}

func TestAWarningLastsUntilAStoreWithoutIt(t *testing.T) {
	b := board()
	warned := stored
	warned.Warning = "chmod"
	feed(b, renewed, warned)
	if got := b.Registries(at)[0].Targets[0]; got.State != OK || got.Warning != "chmod" {
		t.Errorf("got %+v", got)
	}
	feed(b, stored)
	if got := b.Registries(at)[0].Targets[0]; got.Warning != "" {
		t.Errorf("got %+v", got)
	}
}

func TestAReloadKeepsHowTheSameTargetsStood(t *testing.T) {
	b, next := board(), board()
	feed(b, renewed, stored, renew.Event{Kind: renew.StoreFailed, Target: "file", Err: boom})
	every := func(string) bool { return true }
	next.Inherit(b, every)
	if got := next.Registries(at)[0].Targets[0]; got.State != Pending {
		t.Errorf("%+v, though the registry has no token yet", got)
	}
	feed(next, renew.Event{Kind: renew.Adopted, Account: "111122223333", ObtainedAt: at, ExpiresAt: at.Add(12 * time.Hour)},
		renew.Event{Kind: renew.StoreFailed, Target: "engine", Hosts: []string{named}, Err: boom})
	next.Inherit(b, func(target string) bool { return target != "file" })
	rows := next.Registries(at)
	if got := rows[0].Targets; got[0].State != Failed || got[1].State != Pending {
		t.Errorf("%s: %+v, want what is newer of the one, and nothing of the other, which has changed", named, got)
	}
	if got := rows[1].Targets; rows[1].Host != ours || got[0].State != OK || got[0].StoredAt == nil || got[1].State != Pending {
		t.Errorf("%s: %+v", rows[1].Host, got)
	}
	next.Inherit(b, every)
	if got := next.Registries(at)[1].Targets[1]; got.State != Failed || got.Error == nil {
		t.Errorf("file: %+v", got)
	}
}

func TestATargetThatCannotBeCheckedHasFailedUntilItCan(t *testing.T) {
	b := board()
	warned := stored
	warned.Warning = "chmod"
	feed(b, renewed, warned, renew.Event{Kind: renew.CheckFailed, Target: "engine", Hosts: []string{named}, Err: boom})
	if rows := b.Registries(at); rows[0].Targets[0].State != Failed || rows[0].Targets[0].Error == nil || rows[1].Targets[0].State != OK {
		t.Errorf("got %+v and %+v", rows[0].Targets[0], rows[1].Targets[0])
	}
	feed(b, renew.Event{Kind: renew.Checked, Target: "engine", Hosts: []string{named}})
	if got := b.Registries(at)[0].Targets[0]; got.State != OK || got.Error != nil || got.StoredAt == nil || got.Warning != "chmod" {
		t.Errorf("got %+v", got)
	}
}

// Over TCP nobody is asked who they are.
func TestWithoutOutputNothingIsLeftOfWhatAProgramPrinted(t *testing.T) {
	failure := &Problem{Message: "run /hook: exit status 1" + fault.Printed + "token=abc"}
	r := Report{Registries: []Registry{{Host: "h", Targets: []Target{{Name: "hook", Error: failure}, {Name: "other"}}}}}.WithoutOutput()
	if got := r.Registries[0].Targets[0].Error.Message; strings.Contains(got, "abc") || !strings.HasPrefix(got, "run /hook: exit status 1") {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(failure.Message, "abc") {
		t.Error("the row itself was changed")
	}
}
