package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

func TestALookAtAFileJustChangedDoesNotLast(t *testing.T) {
	changed := time.Now()
	seen := fingerprint{ino: 7, size: 3, ctime: unix.NsecToTimespec(changed.UnixNano())}
	other := seen
	other.size++
	tests := []struct {
		name        string
		look        fingerprint
		after, then time.Duration // from the change to the look, from there to now
		want        bool
	}{
		{"long after the change", seen, time.Minute, time.Hour, true},
		{"right after the change, just now", seen, time.Millisecond, 0, true},
		{"right after the change, a while ago", seen, time.Millisecond, time.Second, false},
		{"before the change, by a clock that is behind", seen, -time.Hour, time.Second, false},
		{"of another version", other, time.Minute, 0, false},
	}
	for _, tt := range tests {
		l := &look{fingerprint: tt.look, at: changed.Add(tt.after)}
		if got := l.covers(seen, l.at.Add(tt.then)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if (*look)(nil).covers(seen, changed) {
		t.Error("no look covers something")
	}
}

func TestAFileSystemThatHangsDoesNotHoldTheCaller(t *testing.T) {
	target, _ := newTarget(t)
	released, ended := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := func(context.Context) (bool, error) {
		cancel()
		<-released
		close(ended)
		return true, nil
	}
	if _, err := inTurn(ctx, target.place, "wait", cancelled); !errors.Is(err, errHung) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	err := target.Store(ctx, logins("pw"))
	if !errors.Is(err, errNoTurn) || !fault.Has(err, fault.Local) {
		t.Errorf("the next call: %v", err)
	}
	close(released)
	<-ended
	store(t, target, logins("pw")...)
}

// A file of thousands of hosts is megabytes; what we have just written there is known.
func TestALookAtWhatWasJustWrittenReadsItInPieces(t *testing.T) {
	target, path := newTarget(t)
	token := loginFor("", strings.Repeat("token", 500)).Token
	var logins []login.Login
	for i := range 500 {
		logins = append(logins, token.For(fmt.Sprintf("%d.example", i)))
	}
	store(t, target, logins...)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	stale, err := target.Stale(t.Context(), logins)
	runtime.ReadMemStats(&after)
	if stale || err != nil {
		t.Errorf("stale %v, error %v after a store", stale, err)
	}
	if took := int64(after.TotalAlloc - before.TotalAlloc); took > info.Size()/2 {
		t.Errorf("a look took %d bytes of memory for a file of %d", took, info.Size())
	}
}
