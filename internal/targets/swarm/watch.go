package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"ecr-refreshd/internal/targets/engine"
)

const (
	// soonest and latest are the first and the longest wait before the events are
	// asked for again. The wait may cost an ssh process.
	soonest, latest = time.Second, 30 * time.Second
	// sightLife is how long what was seen serves the other grants. They look at about
	// the same time, as the same event has woken them.
	sightLife = 5 * time.Second
)

// watch tells those who keep logins in the services that one may have changed. One
// goroutine does it for all of them, and runs as long as there is one.
type watch struct {
	mu      sync.Mutex
	changed map[*bool]func()
	stop    context.CancelFunc
}

// Watch is as renew.Watcher has it. While the engine is away nothing can be looked at; when it
// is back, all are told.
func (t *Target) Watch(ctx context.Context, changed func()) {
	key := new(bool)
	t.watch.mu.Lock()
	defer t.watch.mu.Unlock()
	if len(t.watch.changed) == 0 {
		var running context.Context
		running, t.watch.stop = context.WithCancel(context.WithoutCancel(ctx))
		t.watch.changed = map[*bool]func(){}
		go t.keepWatch(running)
	}
	t.watch.changed[key] = changed
	context.AfterFunc(ctx, func() {
		t.watch.mu.Lock()
		defer t.watch.mu.Unlock()
		if delete(t.watch.changed, key); len(t.watch.changed) == 0 {
			t.watch.stop()
		}
	})
}

func (t *Target) tellAll() {
	t.sights.clear()
	t.watch.mu.Lock()
	defer t.watch.mu.Unlock()
	for _, changed := range t.watch.changed {
		changed()
	}
}

func (t *Target) keepWatch(ctx context.Context) {
	for pause := soonest; ctx.Err() == nil; pause = min(2*pause, latest) {
		if t.follow(ctx) {
			pause = soonest
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// follow tells of each change that the engine reports until it reports none any more. It
// returns whether it was connected, and that it is not called off.
func (t *Target) follow(ctx context.Context) (connected bool) {
	c, err := t.Connect(ctx)
	if err != nil {
		return false // Store and Stale say so
	}
	defer c.Close()
	err = c.Stream(ctx, engine.Request{Op: "watch the services of the swarm", Method: http.MethodGet, Path: "/events",
		Query: url.Values{"filters": {`{"type":["service","node"]}`}}}, func(events io.Reader) error {
		connected = true
		t.tellAll() // whatever has changed before
		for d := json.NewDecoder(events); ; {
			if err := d.Decode(new(struct{})); err != nil {
				return err
			}
			t.tellAll()
		}
	})
	return connected && err != nil && !errors.Is(ctx.Err(), context.Canceled)
}

// sights keeps what was seen last, for a moment. Safe for concurrent use.
type sights struct {
	mu   sync.Mutex // held while looking, so that many look once
	last sight
	at   time.Time // zero: look again
	told sync.Mutex
	news bool // something has changed since the look began; told guards it
}

func (s *sights) get(ctx context.Context, look func(context.Context) (sight, error)) (sight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh() {
		return s.last, nil
	}
	seen, err := look(ctx)
	if err == nil {
		s.last, s.at = seen, time.Now()
	}
	return seen, err
}

// fresh reports whether the last sight serves, and notes that the next begins.
func (s *sights) fresh() bool {
	s.told.Lock()
	defer s.told.Unlock()
	if !s.news && !s.at.IsZero() && time.Since(s.at) < sightLife {
		return true
	}
	s.news, s.at = false, time.Time{}
	return false
}

// clear makes the next look a new one.
func (s *sights) clear() {
	s.told.Lock()
	defer s.told.Unlock()
	s.news = true
}
