package api

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/access"
)

func newTestJournal() (*journal, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.WarnLevel)
	return newJournal(zap.New(core), access.NewDirectory()), logs
}

func TestARefusalIsLoggedOnceAnHour(t *testing.T) {
	j, logs := newTestJournal()
	root, other := access.Peer{PID: 4711}, access.Peer{UID: 4294967000}
	denied := problem{"denied", "get authorization token: no\nline", "allow it"}
	refused := func(code int, host string, who access.Peer, p problem) { j.refused(t.Context(), code, host, who, p) }
	for range 3 {
		refused(http.StatusServiceUnavailable, "a", root, denied)
		refused(http.StatusServiceUnavailable, "b", root, denied)
		refused(http.StatusServiceUnavailable, "a", root, problem{"network", "", ""})
		refused(http.StatusForbidden, "a", other, problem{"local", "", ""})
		refused(http.StatusNotFound, "c", root, problem{"local", "", ""})
	}
	if logs.Len() != 4 {
		t.Fatalf("%d lines: %v", logs.Len(), logs.All())
	}
	first := logs.All()[0]
	want := map[string]any{"host": "a", "uid": uint32(0), "user": "root", "pid": int64(4711), "reason": "denied",
		"hint": "allow it", "error": "get authorization token: no line"}
	fields := first.ContextMap()
	for name, value := range want {
		if got := fields[name]; got != value {
			t.Errorf("%s is %v (%T)", name, got, got)
		}
	}
	if first.Message != "credential not available" || logs.All()[3].Message != "credential refused" {
		t.Errorf("got %v", logs.All())
	}
	for o := range j.said {
		j.said[o] = j.said[o].Add(-remindEvery)
	}
	refused(http.StatusServiceUnavailable, "a", root, denied)
	if logs.Len() != 5 {
		t.Error("it is not said again after an hour")
	}
}

func TestOneUserIsRememberedForSoMuchOnly(t *testing.T) {
	j, _ := newTestJournal()
	now := time.Now()
	fill := func(uid uint32, n int) {
		for i := range n {
			j.said[occasion{uid: uid, host: strconv.Itoa(i)}] = now.Add(time.Duration(i))
		}
	}
	fill(1000, maxUserRemembered)
	fill(1001, maxUserRemembered-1)
	now = now.Add(time.Minute)
	for i := range 2 {
		if !j.news(occasion{uid: 1000, host: "new " + strconv.Itoa(i)}, false, now) {
			t.Error("what is new is not said")
		}
	}
	for uid, gone := range map[uint32]int{1000: 2, 1001: 0} {
		for i := range maxUserRemembered - 1 {
			if _, ok := j.said[occasion{uid: uid, host: strconv.Itoa(i)}]; ok != (i >= gone) {
				t.Errorf("%d of uid %d: remembered is %v", i, uid, ok)
			}
		}
	}
}

func TestTheOldestIsForgottenWhenTheJournalIsFull(t *testing.T) {
	j, _ := newTestJournal()
	now := time.Now()
	for i := range maxRemembered {
		j.said[occasion{uid: uint32(i)}] = now.Add(time.Duration(i))
	}
	now = now.Add(time.Minute)
	if o := (occasion{uid: 1 << 20}); !j.news(o, false, now) || j.news(o, false, now) {
		t.Error("what is new is not said once")
	}
	_, oldest := j.said[occasion{}]
	_, second := j.said[occasion{uid: 1}]
	if len(j.said) != maxRemembered || oldest || !second {
		t.Errorf("%d are remembered, the oldest %v, the second %v", len(j.said), oldest, second)
	}
}

func TestLinesAMinuteAreBounded(t *testing.T) {
	j, _ := newTestJournal()
	now := time.Now()
	lines := func(uid uint32, privileged bool, asked int) (said int) {
		for i := range asked {
			if j.news(occasion{uid: uid, host: strconv.Itoa(i)}, privileged, now) {
				said++
			}
		}
		return said
	}
	if got := lines(1000, false, 100); got != maxUserLines {
		t.Errorf("one user has %d lines", got)
	}
	others := 0
	for uid := range uint32(5000) {
		others += lines(100000+uid, false, 1)
	}
	if want := maxLines - maxUserLines; others != want {
		t.Errorf("the others have %d lines, want %d", others, want)
	}
	if !j.news(occasion{uid: 1 << 20, code: http.StatusServiceUnavailable}, false, now) {
		t.Error("refusals of one kind silence those of another")
	}
	if got := lines(0, true, 100); got != maxUserLines {
		t.Errorf("root has %d lines", got)
	}
	now = now.Add(time.Minute)
	if got := lines(104999, false, 1); got != 1 {
		t.Error("what was not said is not said in the next minute")
	}
	if got := lines(100000, false, 1); got != 0 {
		t.Error("what was said is said again")
	}
}

func TestPreferredWait(t *testing.T) {
	tests := []struct {
		name, header string
		want         time.Duration
	}{
		{"none", "", 0},
		{"seconds", "wait=10", 10 * time.Second},
		{"among others", `respond-async, WAIT = "10"; x=y , handling=lenient`, 10 * time.Second},
		{"the first counts", "wait=1, wait=20", time.Second},
		{"too many", "wait=31", maxWait},
		{"far too many", "wait=99999999999999999999", 0},
		{"negative", "wait=-5", 0},
		{"a fraction", "wait=1.5", 0},
		{"no value", "wait", 0},
		{"another", "waiter=10", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := preferredWait(strings.Split(tt.header, "\n")); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func FuzzPreferredWait(f *testing.F) {
	f.Add(`respond-async, wait="10"; x=y`)
	f.Fuzz(func(t *testing.T, header string) {
		if got := preferredWait([]string{header}); got < 0 || got > maxWait {
			t.Errorf("got %v", got)
		}
	})
}
