package status

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/renew"
)

// The events of these tests happen at this time of the day.
func later(d time.Duration, e renew.Event) renew.Event {
	e.Grant, e.At = grant, at.Add(d)
	if e.Hosts == nil {
		e.Hosts = []string{named, ours}
	}
	return e
}

func day(b *Board, now time.Duration) string { return b.Registries(at.Add(now))[0].LastDay }

func TestTheLastDayHasTheWorstOfEachQuarterHour(t *testing.T) {
	all := func(kind renew.Kind, err error) []renew.Event {
		return []renew.Event{{Kind: kind, Target: "engine", Err: err}, {Kind: kind, Target: "file", Err: err}}
	}
	b := board()
	play := func(d time.Duration, events ...renew.Event) {
		for _, e := range events {
			b.Observe(later(d, e))
		}
	}
	if got := day(b, 0); got != "" {
		t.Errorf("before anything happened: %q", got)
	}
	play(time.Minute, renew.Event{Kind: renew.RenewFailed, Err: boom, Hosts: []string{named}})
	play(16*time.Minute, renewed)
	if got := day(b, 29*time.Minute); got != "ee" {
		t.Errorf("a first token that could not be fetched: %q", got)
	}
	if got := day(b, 30*time.Minute); got != "eep" {
		t.Errorf("a token that no target has yet: %q", got)
	}
	play(46*time.Minute, all(renew.Stored, nil)...)
	if got := day(b, time.Hour); got != "eepoo" { // in the fourth it waited at first
		t.Errorf("well: %q", got)
	}
	play(76*time.Minute, all(renew.StoreFailed, boom)...)
	play(77*time.Minute, all(renew.Stored, nil)...)
	play(91*time.Minute, fails)
	play(106*time.Minute, renewed)
	if got := day(b, 2*time.Hour); got != "eepootrro" {
		t.Errorf("a target failed, then the renewal: %q", got)
	}
	if got := day(b, 13*time.Hour); !strings.HasSuffix(got, "oooooe") {
		t.Errorf("expired by the clock: %q", got)
	}
	if got := day(b, 25*time.Hour); len(got) != 96 || strings.HasPrefix(got, "ee") {
		t.Errorf("after more than a day: %q, %d letters", got, len(got))
	}
	much := renewed
	much.ExpiresAt = at.Add(1e6*time.Hour + time.Minute)
	play(1e6*time.Hour, much)
	if got := day(b, 1e6*time.Hour); got != strings.Repeat("o", 96) {
		t.Errorf("after a long sleep: %q", got)
	}
	play(0, fails)
	play(time.Minute, renewed)
	if got := day(b, 16*time.Minute); got != strings.Repeat("o", 94)+"ro" {
		t.Errorf("after the clock was set back: %q", got)
	}
}

func TestAReloadContinuesTheLastDay(t *testing.T) {
	b := board()
	b.Observe(later(0, renewed))
	b.Observe(later(0, fails))
	next := board()
	adopted := renewed
	adopted.Kind = renew.Adopted
	next.Observe(later(time.Hour, adopted))
	next.Inherit(b, func(string) bool { return false })
	if got := day(next, 75*time.Minute); got != "rrrrrp" {
		t.Errorf("with a token: %q", got)
	}
	next = board()
	next.Inherit(b, func(string) bool { return false })
	if got := day(next, 15*time.Minute); got != "rr" { // how it stands now is known from the next quarter on
		t.Errorf("without one yet: %q", got)
	}
}

// A host that two identities open has two last days.
func TestEachIdentityHasItsOwnLastDay(t *testing.T) {
	rows := func() []Row {
		return []Row{{Grant: renew.Grant{Identity: "a"}, Registry: Registry{Host: "h", Identity: "a"}}, {Grant: renew.Grant{Identity: "b"}, Registry: Registry{Host: "h", Identity: "b"}}}
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	renewed := func(identity string) renew.Event {
		return renew.Event{Kind: renew.Renewed, Grant: renew.Grant{Identity: identity}, Hosts: []string{"h"}, At: at, ExpiresAt: at.Add(12 * time.Hour)}
	}
	b := New(rows())
	b.Observe(renewed("a"))
	b.Observe(renewed("b"))
	b.Observe(renew.Event{Kind: renew.RenewFailed, Grant: renew.Grant{Identity: "a"}, Hosts: []string{"h"}, At: at, Err: errors.New("x")})
	next := New(rows())
	next.Inherit(b, func(string) bool { return false })
	days := map[string]string{}
	for _, r := range next.Registries(at.Add(time.Minute)) {
		days[r.Identity] = r.LastDay
	}
	if days["a"] == days["b"] {
		t.Errorf("both have %q", days["a"])
	}
	moved := New([]Row{{Grant: renew.Grant{Identity: "c"}, Registry: Registry{Host: "h", Identity: "c"}}})
	moved.Inherit(b, func(string) bool { return false })
	if got := moved.Registries(at.Add(time.Minute))[0].LastDay; strings.ContainsAny(got, "ro") {
		t.Errorf("a third identity has the day %q of one of the two", got)
	}
}
