package dockerconfig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fsnotify/fsnotify"

	"ecr-refreshd/internal/login"
)

// held starts a Store for each login while another call has the turn, and returns their
// results, which come once that is given up.
func held(t *testing.T, target *Target, ctx func(i int) context.Context, logins []login.Login) (results func() []error) {
	t.Helper()
	target.turn <- struct{}{}
	errs := make([]error, len(logins))
	var wg sync.WaitGroup
	for i, l := range logins {
		wg.Go(func() { errs[i] = target.Store(ctx(i), []login.Login{l}) })
	}
	for n := 0; n < len(logins); {
		target.orders.Lock()
		n = len(target.orders.waiting)
		target.orders.Unlock()
	}
	return func() []error {
		<-target.turn
		wg.Wait()
		return errs
	}
}

func manyLogins(n int) (all []login.Login) {
	for i := range n {
		all = append(all, loginFor(fmt.Sprintf("%d.example", i), fmt.Sprint("pw", i)))
	}
	return all
}

// Grants that come in while one is stored are the next write, all together.
func TestStoresThatWaitAreOneWrite(t *testing.T) {
	target, path := newTarget(t)
	all := manyLogins(40)
	results := held(t, target, func(int) context.Context { return t.Context() }, all)
	dir, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	write(t, path, "{}")
	if err := dir.Add(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	for i, err := range results() {
		if err != nil {
			t.Errorf("store %d: %v", i, err)
		}
	}
	end := path + ".end"
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	writes := 0
	for e := range dir.Events {
		if e.Name == end {
			break
		}
		if e.Name == path && e.Has(fsnotify.Create) {
			writes++
		}
	}
	if writes != 1 {
		t.Errorf("%d writes for 40 grants that came in together, want 1", writes)
	}
	got := auths(t, path)
	for _, l := range all {
		if got[l.Host] != l.Basic().Reveal() {
			t.Errorf("%s has another login", l.Host)
		}
	}
	if left := target.waiting(nil); len(left) > 0 {
		t.Errorf("%d stores are still waited for", len(left))
	}
}

// What is wrong is wrong for all; what one caller calls off, the others do themselves.
func TestStoresThatWaitFailForThemselves(t *testing.T) {
	t.Run("a fault", func(t *testing.T) {
		target, path := newTarget(t)
		write(t, path, `{"auths": 1}`)
		all := manyLogins(3)
		for i, err := range held(t, target, func(int) context.Context { return t.Context() }, all)() {
			if err == nil {
				t.Errorf("store %d: no error", i)
			}
		}
		write(t, path, `{}`)
		store(t, target, all[0]) // nothing of the others is left to be done
		if got := auths(t, path); len(got) != 1 {
			t.Errorf("got %d logins, want 1", len(got))
		}
	})
	t.Run("a verdict", func(t *testing.T) {
		target, path := newTarget(t)
		write(t, path, `{"credHelpers":{"1.example":"pass"}}`)
		for i, err := range held(t, target, func(int) context.Context { return t.Context() }, manyLogins(3))() {
			if (err != nil) != (i == 1) {
				t.Errorf("store %d: %v", i, err)
			}
		}
	})
	t.Run("a caller that gives up", func(t *testing.T) {
		target, path := newTarget(t)
		gone, cancel := context.WithCancel(t.Context())
		all := manyLogins(3)
		results := held(t, target, func(i int) context.Context {
			if i == 1 {
				return gone
			}
			return t.Context()
		}, all)
		cancel()
		for i, err := range results() {
			if i != 1 && err != nil {
				t.Errorf("store %d: %v", i, err)
			}
		}
		if got := auths(t, path); got["0.example"] == "" || got["2.example"] == "" {
			t.Errorf("the logins of the others are missing: %d", len(got))
		}
	})
	t.Run("the caller whose turn it is gives up", func(t *testing.T) {
		target, path := newTarget(t)
		write(t, path, "{}")
		s, err := openAt(t, path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		other := &order{logins: manyLogins(1)}
		target.orders.waiting = []*order{other}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := target.storeAll(gone, s); err == nil || other.done {
			t.Errorf("got %v, and the other's is done: %v", err, other.done)
		}
	})
}
