package eventlog

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func faultOf(r fault.Reason, cause string) error {
	return &fault.Error{Reason: r, Op: "try", Err: errors.New(cause), Hint: "fix it"}
}

func TestLevels(t *testing.T) {
	fails := func(k renew.Kind, r fault.Reason, cause string, after time.Duration) renew.Event {
		return renew.Event{Kind: k, Err: faultOf(r, cause), At: start.Add(after)}
	}
	const debug, info, warn, loud = zapcore.DebugLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel
	tests := []struct {
		name   string
		events []renew.Event
		want   []zapcore.Level
	}{
		{"a renewal and its delivery", []renew.Event{{Kind: renew.Renewed}, {Kind: renew.Stored}}, []zapcore.Level{info, debug}},
		{"what passes by itself", []renew.Event{fails(renew.RenewFailed, fault.Network, "x", 0)}, []zapcore.Level{warn}},
		{"what a person must fix", []renew.Event{fails(renew.RenewFailed, fault.Denied, "x", 0)}, []zapcore.Level{loud}},
		{"unchanged is not repeated", []renew.Event{
			fails(renew.RenewFailed, fault.Denied, "request 1", 0), fails(renew.RenewFailed, fault.Denied, "request 2", time.Minute)}, []zapcore.Level{loud, debug}},
		{"but summed up hourly", []renew.Event{
			fails(renew.RenewFailed, fault.Denied, "x", 0), fails(renew.RenewFailed, fault.Denied, "x", time.Hour)}, []zapcore.Level{loud, debug, loud}},
		{"changed is said", []renew.Event{
			fails(renew.RenewFailed, fault.Network, "x", 0), fails(renew.RenewFailed, fault.Throttled, "x", time.Minute)}, []zapcore.Level{warn, warn}},
		{"a recovered target is said", []renew.Event{
			fails(renew.StoreFailed, fault.Local, "x", 0), {Kind: renew.Stored}, {Kind: renew.Stored}}, []zapcore.Level{loud, info, debug}},
		{"the good hosts of a failed call are no recovery", []renew.Event{
			fails(renew.StoreFailed, fault.Local, "x", 0), {Kind: renew.Stored, Partial: true}, fails(renew.StoreFailed, fault.Local, "x", time.Minute)},
			[]zapcore.Level{loud, debug, debug}},
		{"logins that cannot be checked, and a Store in between", []renew.Event{
			fails(renew.CheckFailed, fault.Local, "x", 0), {Kind: renew.Stored}, fails(renew.CheckFailed, fault.Local, "x", time.Minute),
			{Kind: renew.Checked}, fails(renew.CheckFailed, fault.Local, "x", time.Minute)}, []zapcore.Level{loud, debug, debug, info, loud}},
		{"after a recovery it is said again", []renew.Event{
			fails(renew.RenewFailed, fault.Network, "x", 0), {Kind: renew.Renewed}, fails(renew.RenewFailed, fault.Network, "x", time.Minute)},
			[]zapcore.Level{warn, info, warn}},
		{"a wrong clock is said once, and its token is no recovery", []renew.Event{
			fails(renew.ClockWrong, fault.Invalid, "it is 1", 0), {Kind: renew.Renewed},
			fails(renew.ClockWrong, fault.Invalid, "it is 2", time.Minute), {Kind: renew.Renewed}}, []zapcore.Level{warn, info, debug, info}},
		{"expired", []renew.Event{{Kind: renew.Expired}, {Kind: renew.Removed}}, []zapcore.Level{loud, warn}},
		{"undone", []renew.Event{{Kind: renew.Undone}, fails(renew.Undone, fault.Local, "again and again", 0)}, []zapcore.Level{info, warn}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			l := New(zap.New(core))
			for _, e := range tt.events {
				l.Observe(e)
			}
			entries := logs.All()
			if len(entries) != len(tt.want) {
				t.Fatalf("%d lines, want %d", len(entries), len(tt.want))
			}
			for i, e := range entries {
				if e.Level != tt.want[i] {
					t.Errorf("line %d, %q: %v, want %v", i, e.Message, e.Level, tt.want[i])
				}
			}
		})
	}
}

func TestWhatALineSays(t *testing.T) {
	later := start.Add(time.Hour)
	core, logs := observer.New(zapcore.DebugLevel)
	l := New(zap.New(core))
	l.Observe(renew.Event{Kind: renew.Renewed, Hosts: []string{"a"}, Account: "111122223333", Took: time.Second,
		Grant: renew.Grant{Region: "eu-west-1", Identity: "default"}, ExpiresAt: start, NextRefreshAt: later})
	want := map[string]any{"host": []any{"a"}, "account": "111122223333", "region": "eu-west-1", "identity": "default",
		"took": time.Second, "expires_at": start, "next_refresh_at": later}
	if got := logs.All()[0].ContextMap(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// The messages are what people search for.
	trouble := faultOf(fault.Local, "x")
	for _, e := range []renew.Event{{Kind: renew.RenewFailed, Err: trouble}, {Kind: renew.Renewed}, {Kind: renew.Adopted}, {Kind: renew.Expired},
		{Kind: renew.ClockWrong, Err: trouble}, {Kind: renew.Stored}, {Kind: renew.StoreFailed, Err: trouble}, {Kind: renew.Stored},
		{Kind: renew.Undone}, {Kind: renew.Removed}, {Kind: renew.RemoveFailed, Err: trouble},
		{Kind: renew.CheckFailed, Err: trouble}, {Kind: renew.Checked}} {
		l.Observe(e)
	}
	messages := []string{"token renewed", "token not renewed", "token renewed again", "token kept", "token expired, no valid one is left",
		"reported expiry cannot be true", "login stored", "login not stored", "login stored again",
		"login was undone by another program, storing it again", "login removed", "login not removed",
		"login not checked", "login checked again"}
	for i, e := range logs.All() {
		if e.Message != messages[i] {
			t.Errorf("line %d: %q, want %q", i, e.Message, messages[i])
		}
	}
}

func TestALineNamesFewHosts(t *testing.T) {
	for _, tt := range []struct {
		hosts, names int
		last         string
	}{{maxHosts, maxHosts, "h9"}, {maxHosts + 1, maxHosts + 1, "and 1 more"}, {5000, maxHosts + 1, "and 4990 more"}} {
		core, logs := observer.New(zapcore.DebugLevel)
		e := renew.Event{Kind: renew.Renewed}
		for i := range tt.hosts {
			e.Hosts = append(e.Hosts, fmt.Sprint("h", i))
		}
		New(zap.New(core)).Observe(e)
		got := logs.All()[0].ContextMap()["host"].([]any)
		if len(got) != tt.names || got[len(got)-1] != tt.last {
			t.Errorf("%d hosts: %v", tt.hosts, got)
		}
	}
}

func TestEachFaultHasALineWithItsHosts(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	New(zap.New(core)).Observe(renew.Event{Kind: renew.StoreFailed, Target: "engine", Hosts: []string{"a", "b"}, Attempt: 2, RetryIn: time.Second,
		Grant: renew.Grant{Region: "eu-west-1", Identity: "default"},
		Err: fault.List{
			{Reason: fault.Rejected, Op: "log in", Err: errors.New("401"), Hint: "see", Hosts: []string{"a"}},
			{Reason: fault.Network, Op: "log in", Err: errors.New("no route"), Hosts: []string{"b"}}}})
	entries := logs.All()
	if len(entries) != 2 {
		t.Fatalf("%d lines, want 2", len(entries))
	}
	got := entries[0].ContextMap()
	want := map[string]any{"target": "engine", "region": "eu-west-1", "identity": "default", "attempt": int64(2),
		"retry_in": time.Second, "reason": "rejected", "hint": "see", "error": "log in: 401"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %v, want %v", k, got[k], v)
		}
	}
	if hosts := entries[1].ContextMap()["host"].([]any); len(hosts) != 1 || hosts[0] != "b" {
		t.Errorf("host = %v", hosts)
	}
}

func TestAWarningOfATargetIsSaidOnce(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	l := New(zap.New(core))
	for _, warning := range []string{"chmod", "chmod", "", "chmod"} {
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			l.Observe(renew.Event{Kind: renew.Stored, Target: "docker", Grant: renew.Grant{Region: region}, Warning: warning})
		}
	}
	if entries := logs.All(); len(entries) != 2 || entries[0].ContextMap()["hint"] != "chmod" {
		t.Errorf("got %v", entries)
	}
}

func TestWhatAHookPrintsIsInTheDebugLog(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	New(zap.New(core)).Observe(renew.Event{Kind: renew.Stored, Target: "hook", Output: "secret/pull configured"})
	if e := logs.All()[0]; e.Level != zapcore.DebugLevel || e.ContextMap()["output"] != "secret/pull configured" {
		t.Errorf("got %v %v", e.Level, e.ContextMap())
	}
}

func TestTheLinesOfOneEventAreBounded(t *testing.T) {
	for n, want := range map[int]int{1: 1, maxLines: maxLines, maxLines + 1: maxLines + 1, 5000: maxLines + 1} {
		core, logs := observer.New(zapcore.DebugLevel)
		e := renew.Event{Kind: renew.StoreFailed, At: start, Target: "file"}
		var faults fault.List
		for i := range n {
			host := fmt.Sprintf("%012d.dkr.ecr.us-east-1.amazonaws.com", i)
			e.Hosts = append(e.Hosts, host)
			faults = append(faults, &fault.Error{Reason: fault.Local, Op: "store", Err: errors.New("no"), Hosts: []string{host}})
		}
		e.Err = faults
		New(zap.New(core)).Observe(e)
		all := logs.All()
		if len(all) != want {
			t.Fatalf("%d faults: %d lines, want %d", n, len(all), want)
		}
		last := all[len(all)-1].ContextMap()
		if n > maxLines && (last["error"] != fmt.Sprintf("%d more faults", n-maxLines) || len(last["host"].([]any)) != 0 || last["target"] != "file") {
			t.Errorf("%d faults: the last line is %v", n, last)
		}
	}
}

func TestAnErrorAlwaysHasAHint(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	l := New(zap.New(core))
	for _, r := range fault.Reasons() {
		l.Observe(renew.Event{Kind: renew.StoreFailed, Target: string(r), At: start, Err: &fault.Error{Reason: r, Op: "store"}})
	}
	for _, e := range logs.All() {
		if hint := e.ContextMap()["hint"]; (hint != "") != (e.Level == zapcore.ErrorLevel) {
			t.Errorf("%v %v: hint %q", e.Level, e.ContextMap()["reason"], hint)
		}
	}
}
