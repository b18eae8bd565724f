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

func TestTheJournalsMemoryIsBounded(t *testing.T) {
	j, _ := newTestJournal()
	now := time.Now()
	for i := range maxRemembered + 10 {
		if got := j.news(occasion{host: strconv.Itoa(i)}, now); got != (i < maxRemembered) {
			t.Fatalf("%d: %v", i, got)
		}
	}
	if !j.news(occasion{host: "later"}, now.Add(remindEvery)) || len(j.said) != 1 {
		t.Errorf("%d are remembered an hour later", len(j.said))
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
