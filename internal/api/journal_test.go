package api

import (
	"net/http"
	"reflect"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/peerauth"
)

func newTestJournal() (*journal, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.WarnLevel)
	return newJournal(zap.New(core), peerauth.NewDirectory()), logs
}

func TestARefusalIsLoggedOnceAnHour(t *testing.T) {
	j, logs := newTestJournal()
	root, other := peerauth.Peer{PID: 4711}, peerauth.Peer{UID: 4294967000}
	denied := problem{"denied", "get authorization token: no\nline", "allow it"}
	refused := func(code int, host string, who peerauth.Peer, p problem) { j.refused(t.Context(), code, host, who, p) }
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
	want := map[string]any{"host": []any{"a"}, "uid": uint32(0), "user": "root", "pid": int64(4711), "reason": "denied",
		"hint": "allow it", "error": "get authorization token: no line"}
	fields := first.ContextMap()
	for name, value := range want {
		if got := fields[name]; !reflect.DeepEqual(got, value) {
			t.Errorf("%s is %v (%T)", name, got, got)
		}
	}
	if first.Message != "credential not available" || logs.All()[3].Message != "credential refused" {
		t.Errorf("got %v", logs.All())
	}
	j.start = j.start.Add(-window)
	refused(http.StatusServiceUnavailable, "a", root, denied)
	if logs.Len() != 5 {
		t.Error("it is not said again after an hour")
	}
}

func TestLinesAreBounded(t *testing.T) {
	j, _ := newTestJournal()
	now := time.Now()
	lines := func(uid uint32, privileged bool, asked int) (said int) {
		for i := range asked {
			if j.news(complaint{uid: uid, host: strconv.Itoa(i)}, privileged, now) {
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
	if want := maxLines - maxUserLines; others != want || len(j.said) != maxLines {
		t.Errorf("the others have %d lines, want %d; %d are remembered", others, want, len(j.said))
	}
	if got := lines(0, true, 100); got != maxUserLines {
		t.Errorf("root has %d lines", got)
	}
	now = now.Add(window)
	if got := lines(104999, false, 1) + lines(100000, false, 1); got != 2 || len(j.said) != 2 {
		t.Errorf("in the next window %d are said, %d remembered", got, len(j.said))
	}
}
