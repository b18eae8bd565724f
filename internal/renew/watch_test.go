package renew

import (
	"context"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// watchedFile is a fakeFile that reports changes and counts looks.
type watchedFile struct {
	fakeFile
	mu      sync.Mutex
	watches int
	ended   int    // of the watches
	tell    func() // the last one's
	looks   int
	blind   error
}

func (f *watchedFile) Watch(ctx context.Context, changed func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches, f.tell = f.watches+1, changed
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ended++
		changed() // which the contract allows
		changed()
	})
}

func (f *watchedFile) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	f.mu.Lock()
	f.looks++
	blind := f.blind
	f.mu.Unlock()
	if blind != nil {
		return true, blind
	}
	return f.fakeFile.Stale(ctx, logins)
}

func (f *watchedFile) setBlind(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blind = err
}

// looked is how many looks there were since it was called last.
func (f *watchedFile) looked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.looks
	f.looks = 0
	return n
}

func TestAWatchedTargetIsLookedAtWhenItChanges(t *testing.T) {
	file := new(watchedFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		pass(2 * time.Second)
		if n := file.looked(); n != 1 {
			t.Errorf("%d looks after the store, want 1", n)
		}
		pass(time.Hour)
		if n := file.looked(); n != 60 {
			t.Errorf("%d looks in an hour without a change, want one a minute", n)
		}
		for range 20 {
			pass(7 * time.Second)
			file.undo(hostB)
			file.tell()
			pass(time.Second)
			if file.at(hostB) != "1" {
				t.Fatal("the login is not back a second after the report")
			}
		}
		if n := r.diary.count(Undone); n != 20 {
			t.Errorf("%d undone, want 20", n)
		}
		file.undo(hostA) // and nobody notices
		pass(watchedInterval + time.Second)
		if file.at(hostA) != "1" {
			t.Error("a change that went unnoticed stays for longer than a minute")
		}
	})
	if file.watches != 1 || file.ended != 1 {
		t.Errorf("%d watches, %d of them ended", file.watches, file.ended)
	}
}

func TestManyReportedChangesCostFewLooks(t *testing.T) {
	file := new(watchedFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		pass(time.Minute)
		file.looked()
		for range 1000 {
			file.tell()
			pass(10 * time.Millisecond)
		}
		if n := file.looked(); n < 15 || n > 21 {
			t.Errorf("%d looks in 10 s, want 2 a second", n)
		}
	})
}

func TestTheFirstReportedChangeAfterALongSleepCostsNoLookOfItsOwn(t *testing.T) {
	file := new(watchedFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		pass(watchedInterval - time.Second)
		file.looked()
		file.tell()
		if pass(afterChange / 2); file.looked() != 0 {
			t.Error("looked before the other changes of a burst can have come")
		}
		file.tell()
		if pass(afterChange); file.looked() != 1 {
			t.Error("a burst did not cost one look")
		}
	})
}

func TestReportedChangesDoNotShortenAConflict(t *testing.T) {
	file := new(watchedFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		for range 4 * 3600 {
			pass(time.Second / 4)
			file.undo(hostA)
			file.tell()
		}
		if n := file.count(); n > 160 {
			t.Errorf("stored %d times in an hour", n)
		}
	})
}

func TestATargetThatCannotBeLookedAtIsNotUndone(t *testing.T) {
	file := new(watchedFile)
	inBubble(t, living(12*time.Hour), map[string]Target{"file": file}, nil, func(r rig) {
		pass(time.Minute)
		file.setBlind(failing(fault.Local)) // as without file descriptors
		file.looked()
		for range 3600 {
			file.tell()
			pass(time.Second)
		}
		if undone, stores, failed := r.diary.count(Undone), file.count(), r.diary.count(CheckFailed); undone != 0 || stores != 1 || failed < 100 || failed > 400 {
			t.Errorf("%d undone, %d stores, %d failures in an hour", undone, stores, failed)
		}
		if stored, failed := r.diary.count(Stored), r.diary.count(StoreFailed); stored != 1 || failed != 0 {
			t.Errorf("%d times stored, %d times not", stored, failed)
		}
		file.setBlind(nil)
		pass(nearby)
		if checked, stored, undone := r.diary.count(Checked), r.diary.count(Stored), r.diary.count(Undone); checked != 1 || stored != 1 || undone != 0 {
			t.Errorf("afterwards %d times checked, %d stored, %d undone", checked, stored, undone)
		}
		file.undo(hostA)
		file.tell()
		if pass(2 * time.Second); file.at(hostA) != "1" {
			t.Error("an undone login is not back after looks were impossible")
		}
	})
}

// An engine is back, or is done with what the target waits for: the back-off is over.
func TestAReportedChangeEndsTheWaitForAnEngine(t *testing.T) {
	for _, reason := range []fault.Reason{fault.Engine, fault.Local} {
		r := New(Config{Observer: new(diary), Policy: Policy{Initial: time.Minute, Max: time.Minute}})
		now, _ := r.clock.read()
		d := delivery{renewer: r, token: &timedToken{expires: now + time.Hour}}
		d.tryFailed(Event{}, &fault.Error{Reason: reason}) // which waits for a second at least
		d.looks.at, d.looks.failed = d.retry.at, true      // a look that has failed does the same
		d.placeChanged(now)
		soon := now + afterChange
		if ended := reason == fault.Engine; (d.retry.at == soon) != ended || (d.looks.at == soon) != ended {
			t.Errorf("%s: the next try is in %s and the next look in %s", reason, d.retry.at-now, d.looks.at-now)
		}
	}
}
