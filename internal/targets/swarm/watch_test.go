package swarm

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestANewServiceIsReportedAndTheWatchSurvivesTheEngine(t *testing.T) {
	f := newSwarm()
	target, server := start(t, f)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	told := make(chan struct{}, 100)
	target.Watch(ctx, func() { told <- struct{}{} })
	wait := func(what string) {
		t.Helper()
		select {
		case <-told:
		case <-time.After(time.Minute):
			t.Fatalf("nothing was told of %s", what)
		}
	}
	wait("the start")
	logins := loginsWith("one", host)
	if stale, err := target.Stale(ctx, logins); stale || err != nil {
		t.Fatalf("undone: %t, %v", stale, err)
	}
	f.add("late", host+"/app")
	wait("a new service")
	if stale, err := target.Stale(ctx, logins); !stale || err != nil {
		t.Errorf("undone: %t, %v", stale, err)
	}
	socket := server.Listener.Addr().String()
	server.CloseClientConnections()
	server.Close()
	f.set(func(f *fakeSwarm) { f.events = nil })
	serve(t, f, socket)
	wait("the engine's return")
}

// A look that is under way while something changes is not what the next one returns.
func TestAChangeDuringALookIsNotLost(t *testing.T) {
	var s sights
	ctx := t.Context()
	looks := 0
	look := func(context.Context) (sight, error) {
		if looks++; looks == 1 {
			s.clear()
		}
		return sight{leads: looks > 1}, nil
	}
	if seen, _ := s.get(ctx, look); seen.leads {
		t.Fatal("the first look is the second")
	}
	for range 2 {
		if seen, _ := s.get(ctx, look); !seen.leads {
			t.Error("what was seen before the change serves after it")
		}
	}
	if looks != 2 {
		t.Errorf("%d looks, want 2", looks)
	}
	s.clear()
	if _, err := s.get(ctx, func(context.Context) (sight, error) { return sight{}, errors.New("x") }); err == nil {
		t.Error("an error is not returned")
	}
	if seen, err := s.get(ctx, look); err != nil || !seen.leads || looks != 3 {
		t.Errorf("after an error, what was seen before it serves, or the error: %v", err)
	}
}
