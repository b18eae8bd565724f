package eventlog

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
)

// said is at which levels a message is logged, and with which fields.
type said struct{ levels, fields []string }

func (s said) String() string {
	return strings.Join(s.levels, ", ") + ": " + strings.Join(s.fields, " ")
}

// messages are by message.
type messages map[string]said

func (m messages) add(message, level string, fields []string) {
	s := m[message]
	m[message] = said{union(s.levels, level), union(s.fields, fields...)}
}

func union(a []string, b ...string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// TestThePageHasEveryMessage holds docs/logs.md to the code: each message with its levels
// and fields, no other, and enough in each error for a person to act.
func TestThePageHasEveryMessage(t *testing.T) {
	code := make(messages)
	events(code)
	for _, dir := range shipped(t) {
		newSources(t, dir).collect(code)
	}
	page := readPage(t, filepath.Join("..", "..", "docs", "logs.md"))
	for _, message := range slices.Sorted(maps.Keys(code)) {
		s := code[message]
		switch p, ok := page[message]; {
		case !ok:
			t.Errorf("docs/logs.md lacks %q, %v", message, s)
		case p.String() != s.String():
			t.Errorf("%q: docs/logs.md has %v, the code %v", message, p, s)
		}
		if slices.Contains(s.levels, "error") {
			for _, field := range []string{"reason", "hint", "error"} {
				if !slices.Contains(s.fields, field) {
					t.Errorf("%q is an error without %q", message, field)
				}
			}
		}
		if strings.ToLower(message[:1]) != message[:1] {
			t.Errorf("%q begins with a capital letter", message)
		}
	}
	for message := range page {
		if _, ok := code[message]; !ok {
			t.Errorf("docs/logs.md has %q, which the code does not log", message)
		}
	}
}

// events adds what Observe makes of events in which everything is set that renew sets.
func events(to messages) {
	core, logs := observer.New(zapcore.DebugLevel)
	l := New(zap.New(core))
	about := renew.Event{Grant: renew.Grant{Region: "eu-west-1", Identity: "default"}, Hosts: []string{"h"}, Account: "111122223333", At: start}
	store := about
	store.Target = "docker"
	observe := func(k renew.Kind, e renew.Event, set func(*renew.Event)) {
		e.Kind = k
		set(&e)
		l.Observe(e)
	}
	token := func(e *renew.Event) { e.Took, e.ExpiresAt, e.NextRefreshAt = time.Second, start, start }
	stored := func(e *renew.Event) { e.Took, e.Warning, e.Output = time.Second, "weak", "x" }
	nothing := func(*renew.Event) {}
	wrong := func(r fault.Reason) func(*renew.Event) {
		return func(e *renew.Event) { e.Err = faultOf(r, "x") }
	}
	fails := func(r fault.Reason, took bool) func(*renew.Event) {
		return func(e *renew.Event) {
			if e.Err, e.Attempt, e.RetryIn = faultOf(r, "x"), 1, time.Second; took {
				e.Took = time.Second
			}
			if e.Target == "" {
				e.NextRefreshAt = start
			}
		}
	}
	for _, r := range fault.Reasons() {
		for _, kind := range []renew.Kind{renew.RenewFailed, renew.StoreFailed, renew.CheckFailed, renew.RemoveFailed} {
			e := store
			if kind == renew.RenewFailed {
				e = about
			}
			took := kind == renew.RenewFailed || kind == renew.StoreFailed
			observe(kind, e, fails(r, took))
			observe(kind, e, func(e *renew.Event) { fails(r, took)(e); e.At = start.Add(window) })
		}
	}
	for range 2 {
		observe(renew.Renewed, about, token)
		observe(renew.Stored, store, stored)
		observe(renew.Checked, store, nothing)
	}
	clock := func(at time.Duration) func(*renew.Event) {
		return func(e *renew.Event) { wrong(fault.Invalid)(e); e.ExpiresAt, e.At = start, start.Add(at) }
	}
	observe(renew.ClockWrong, about, clock(0))
	observe(renew.ClockWrong, about, clock(window))
	observe(renew.Adopted, about, func(e *renew.Event) { e.ExpiresAt, e.NextRefreshAt = start, start })
	observe(renew.Expired, about, func(e *renew.Event) { e.ExpiresAt = start })
	observe(renew.Undone, store, wrong(fault.Local))
	for range maxLines {
		observe(renew.Undone, store, nothing)
	}
	observe(renew.Undone, store, func(e *renew.Event) { e.At = start.Add(soon) })
	observe(renew.Removed, store, nothing)
	for _, e := range logs.All() {
		to.add(e.Message, e.Level.String(), slices.Collect(maps.Keys(e.ContextMap())))
	}
}

var (
	heading = regexp.MustCompile("^### `(.+)`$")
	inWords = regexp.MustCompile("^(debug|info|warn|error)((, (?:debug|info|warn|error))*)((: `[a-z_]+`( `[a-z_]+`)*)?)$")
	inTicks = regexp.MustCompile("`([a-z_]+)`")
)

// readPage reads what docs/logs.md says: a heading with the message, and below it
// `levels: fields` and a text.
func readPage(t *testing.T, name string) messages {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page := make(messages)
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if err := readEntry(page, m[1], lines[i+1:]); err != nil {
			t.Errorf("docs/logs.md, %q: %v", m[1], err)
		}
	}
	return page
}

func readEntry(page messages, message string, rest []string) error {
	if _, twice := page[message]; twice {
		return errors.New("is there twice")
	}
	if len(rest) < 4 || rest[0] != "" || rest[2] != "" || strings.TrimSpace(rest[3]) == "" || strings.HasPrefix(rest[3], "#") {
		return errors.New("a blank line, the levels and fields, a blank line and an explanation are to follow")
	}
	if !inWords.MatchString(rest[1]) {
		return fmt.Errorf("%q does not read as `levels: fields`", rest[1])
	}
	levels, fields, _ := strings.Cut(rest[1], ":")
	for _, level := range strings.Split(levels, ", ") {
		page.add(message, level, nil)
	}
	for _, m := range inTicks.FindAllStringSubmatch(fields, -1) {
		page.add(message, page[message].levels[0], []string{m[1]})
	}
	return nil
}
