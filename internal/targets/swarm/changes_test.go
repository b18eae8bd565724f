package swarm

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// Something happens to the service between the reads and the update.
func TestChangesAtTheSameTime(t *testing.T) {
	isRead := func(r *http.Request) bool { return r.URL.Path == "/services/id-web" }
	change := func(do func(*fakeService)) func(*fakeSwarm) {
		return func(f *fakeSwarm) { f.change("web", do) }
	}
	same := func(image string) func(*fakeSwarm) {
		return change(func(s *fakeService) {
			s.spec = specOf("web", image, "Replicated")
			s.previous = s.spec
		})
	}
	tests := []struct {
		name    string
		at      func(*http.Request) bool // before this
		do      func(*fakeSwarm)
		updates int
		failed  bool
		image   string
	}{
		{"another image", isUpdate, same(host + "/app:2"), 1, false, "app:2"},
		{"another image, before it is read", isRead, same(host + "/app:2"), 1, false, "app:2"},
		{"an image of another registry", isUpdate, same("docker.io/app:2"), 0, false, "docker.io/app:2"},
		{"its own update", isUpdate, func(f *fakeSwarm) { f.deploy("web", host+"/app:2", 0, "updating") }, 0, true, "app:2"},
		{"its own update, before it is read", isRead, func(f *fakeSwarm) { f.deploy("web", host+"/app:2", 0, "updating") }, 0, true, "app:2"},
		{"its end, before it is read", isRead, func(f *fakeSwarm) { f.set(func(f *fakeSwarm) { delete(f.services, "id-web") }) }, 0, false, ""},
		{"its end", isUpdate, func(f *fakeSwarm) { f.set(func(f *fakeSwarm) { delete(f.services, "id-web") }) }, 0, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newSwarm()
			s := f.add("web", host+"/app:1")
			f.before = once(tt.at, func() { tt.do(f) })
			target, _ := start(t, f)
			err := target.Store(t.Context(), loginsWith("one", host))
			if len(s.auth) != tt.updates || (err != nil) != tt.failed || !strings.Contains(s.spec, tt.image) {
				t.Errorf("got %s with %q, %v", s.spec, s.auth, err)
			}
		})
	}
}

func TestAServiceThatChangesAllTheTimeIsGivenUp(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/app")
	f.before = func(r *http.Request) {
		if isUpdate(r) {
			f.change("web", func(*fakeService) {})
		}
	}
	target, _ := start(t, f)
	err := target.Store(t.Context(), loginsWith("one", host))
	if all := fault.All(err); len(all) != 1 || !strings.Contains(all[0].Hint, "again and again") {
		t.Errorf("got %v", err)
	}
	if n := len(f.requests); n > 5*tries+5 {
		t.Errorf("%d requests", n)
	}
}

func TestAnUpdateRightAfterOursIsNotTakenForOurs(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/app")
	f.after = once(isUpdate, func() {
		f.change("web", func(s *fakeService) {
			s.previous, s.spec, s.updated = s.spec, specOf("web", host+"/app:2", "Replicated"), time.Now().Add(-2*time.Hour)
			s.auth = append(s.auth, "theirs")
		})
	})
	target, _ := start(t, f)
	for range 2 {
		if err := target.Store(t.Context(), loginsWith("one", host)); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.passwords("web"); !slices.Equal(got, []string{"one", "theirs", "one"}) {
		t.Errorf("got %q", got)
	}
}

// A follower has stepped in with a token that ends sooner than twelve hours after.
func TestAFollowerKnowsWhenTheLoginEndsThatItPutThere(t *testing.T) {
	f := newSwarm()
	f.follower = true
	f.add("web", host+"/app")
	f.change("web", func(s *fakeService) { s.updated = time.Now().Add(-12 * time.Hour) })
	target, _ := start(t, f)
	old := loginsWith("one", host)
	for i := range old {
		old[i].ObtainedAt, old[i].ExpiresAt = time.Now().Add(-11*time.Hour-30*time.Minute), time.Now().Add(30*time.Minute)
	}
	for _, logins := range [][]login.Login{old, loginsWith("two", host)} {
		if err := target.Store(t.Context(), logins); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.passwords("web"); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("got %q", got)
	}
}

func TestAServiceThatIsRefusedFailsItsHostAlone(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/app")
	f.add("euro", other+"/app")
	f.refuse = func(r *http.Request) (int, string) {
		if strings.HasPrefix(r.URL.Path, "/services/id-web/") {
			return http.StatusBadRequest, "invalid"
		}
		return 0, ""
	}
	target, _ := start(t, f)
	err := target.Store(t.Context(), loginsWith("one", host, other))
	if all := fault.All(err); len(all) != 1 || !slices.Equal(all[0].Hosts, []string{host}) || len(f.passwords("euro")) != 1 {
		t.Errorf("got %v, and %q", err, f.passwords("euro"))
	}
}

func TestWhatWasPutIntoAServiceGoesWithIt(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/app")
	target, _ := start(t, f)
	for want := range 2 {
		if err := target.Store(t.Context(), loginsWith("one", host)); err != nil || len(target.held) != 1-want {
			t.Errorf("%d services are known, %v", len(target.held), err)
		}
		f.set(func(f *fakeSwarm) { delete(f.services, "id-web") })
	}
}
