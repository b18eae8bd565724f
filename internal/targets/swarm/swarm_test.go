package swarm

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
)

func TestTheLoginIsReplacedAndNothingElse(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/team/app:1@sha256:abc")
	f.add("elsewhere", "docker.io/library/nginx:1")
	f.add("short", "nginx")
	f.add("lookalike", host+".evil.example/app:1")
	f.add("euro", other+"/app")
	spec := f.services["id-web"].spec
	target, _ := start(t, f)
	ctx := t.Context()
	logins := loginsWith("one", host, other)
	if err := target.Store(ctx, logins); err != nil {
		t.Fatal(err)
	}
	if got := f.services["id-web"].spec; got != spec {
		t.Errorf("the specification is %s, was %s", got, spec)
	}
	for _, r := range f.requests {
		if strings.Contains(r, "registryAuthFrom") || strings.Contains(r, "queryRegistry") || strings.HasPrefix(r, "GET /v1") {
			t.Errorf("got %s", r)
		}
	}
	for name, want := range map[string]int{"web": 1, "euro": 1, "elsewhere": 0, "short": 0, "lookalike": 0} {
		if got := f.passwords(name); len(got) != want {
			t.Errorf("%s was updated with %d logins, want %d", name, len(got), want)
		}
	}
	// The second time there is nothing to do, and the third there is another token.
	for range 2 {
		if stale, err := target.Stale(ctx, logins); stale || err != nil {
			t.Errorf("undone: %t, %v", stale, err)
		}
		if err := target.Store(ctx, logins); err != nil {
			t.Error(err)
		}
	}
	logins = loginsWith("two", host, other)
	if err := target.Store(ctx, logins); err != nil {
		t.Error(err)
	}
	if stale, err := target.Stale(ctx, logins); stale || err != nil { // what was seen before does not count
		t.Errorf("undone after another token: %t, %v", stale, err)
	}
	if got := f.passwords("web"); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the service was updated with %q", got)
	}
}

func TestOnlyLabelledServicesWhereThatIsAsked(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/app")
	f.add("mine", host+"/app").spec = strings.Replace(specOf("mine", host+"/app", "Global"), `"x":"y"`, `"ecr-refreshd.update":"true"`, 1)
	target, _ := start(t, f)
	target.labelled = true
	if err := target.Store(t.Context(), loginsWith("one", host)); err != nil {
		t.Fatal(err)
	}
	if len(f.passwords("web")) != 0 || len(f.passwords("mine")) != 1 {
		t.Errorf("without the label: %d updates, with it: %d", len(f.passwords("web")), len(f.passwords("mine")))
	}
}

// What is to be done about a service on its own, as seen by a manager that leads or does not.
func TestState(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name     string
		do       func(f *fakeSwarm)
		follower bool
		want     state
	}{
		{"with a login of somebody else", func(*fakeSwarm) {}, false, due},
		{"the same, on a follower", func(*fakeSwarm) {}, true, settled},
		{"whose login nobody has renewed, on a follower", func(f *fakeSwarm) {
			f.change("web", func(s *fakeService) { s.updated = time.Now().Add(-11*time.Hour - time.Minute) })
		}, true, due},
		{"being updated", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", 0, "updating") }, false, busy},
		{"being updated, on a follower", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", 0, "updating") }, true, settled},
		{"whose update has stopped", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", day, "paused") }, false, busy},
		{"being rolled back", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", 0, "rollback_started") }, false, busy},
		{"whose rollback has stopped", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", day, "rollback_paused") }, false, busy},
		{"updated just now", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", time.Minute, "completed") }, false, settled},
		{"updated an hour ago", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", 61*time.Minute, "completed") }, false, due},
		{"updated in the future, by its clock", func(f *fakeSwarm) { f.deploy("web", host+"/app:2", -day, "completed") }, false, due},
		{"updated just now to what it was", func(f *fakeSwarm) { f.deploy("web", host+"/app", 0, "") }, false, due},
		{"rolled back just now, after our update", func(f *fakeSwarm) { f.deploy("web", host+"/app", 0, "rollback_completed") }, false, due},
		{"pulling its image", func(f *fakeSwarm) { f.change("web", func(s *fakeService) { s.task = "preparing" }) }, false, busy},
		{"whose tasks fail, with a former update of ours", func(f *fakeSwarm) { f.deploy("web", host+"/app", 0, "paused") }, false, due},
		{"that is a job", func(f *fakeSwarm) {
			f.change("web", func(s *fakeService) { s.spec = specOf("web", host+"/app", "ReplicatedJob") })
		}, false, settled},
		{"that is a global job", func(f *fakeSwarm) {
			f.change("web", func(s *fakeService) { s.spec = specOf("web", host+"/app", "GlobalJob") })
		}, false, settled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newSwarm()
			f.add("web", host+"/app")
			f.follower = tt.follower
			tt.do(f)
			target, _ := start(t, f)
			logins := loginsWith("one", host)
			stale, err := target.Stale(t.Context(), logins)
			if err != nil || stale != (tt.want == due) {
				t.Errorf("undone: %t, %v", stale, err)
			}
			err = target.Store(t.Context(), logins)
			if updated := len(f.passwords("web")) == 1; updated != (tt.want == due) || (err != nil) != (tt.want == busy) {
				t.Errorf("updated: %t, %v", updated, err)
			}
		})
	}
}

func TestAServiceWithItsOwnUpdateIsTakenUpAfterwards(t *testing.T) {
	for progress, want := range map[string]string{"updating": "docker service ps web", "paused": "docker service rollback web"} {
		f := newSwarm()
		f.add("web", host+"/app")
		f.add("calm", other+"/app")
		f.deploy("web", host+"/app:2", 2*time.Hour, progress)
		target, _ := start(t, f)
		logins := loginsWith("one", host, other)
		f.set(func(f *fakeSwarm) { f.services["id-web"].progress = "" })
		if err := target.Store(t.Context(), logins); err != nil { // before, it has had one of ours
			t.Fatal(err)
		}
		f.set(func(f *fakeSwarm) { f.services["id-web"].auth = nil })
		f.deploy("web", host+"/app:3", 0, progress)
		all := fault.All(target.Store(t.Context(), logins))
		if len(all) != 1 || all[0].Reason != fault.Engine || !slices.Equal(all[0].Hosts, []string{host}) || !strings.Contains(all[0].Error(), `"web"`) || !strings.Contains(all[0].Hint, want) {
			t.Errorf("%s: got %v, hint %q", progress, all, all[0].Hint)
		}
		if target.Store(t.Context(), logins) == nil {
			t.Errorf("%s: the second time all is well", progress)
		}
		if got := f.passwords("calm"); len(got) != 1 {
			t.Errorf("%s: the other service has %q", progress, got)
		}
		f.change("web", func(s *fakeService) { s.progress, s.updated = "completed", time.Now().Add(-61*time.Minute) })
		if err := target.Store(t.Context(), logins); err != nil || len(f.passwords("web")) != 1 {
			t.Errorf("%s: afterwards %v, and %q", progress, err, f.passwords("web"))
		}
	}
}

// The engine notes with the service how our own update goes, where its tasks fail.
func TestWhatOurUpdateLeadsToIsNotUndone(t *testing.T) {
	for _, progress := range []string{"updating", "paused", "rollback_completed"} {
		f := newSwarm()
		f.add("web", host+"/app")
		target, _ := start(t, f)
		logins := loginsWith("one", host)
		if err := target.Store(t.Context(), logins); err != nil {
			t.Fatal(err)
		}
		f.change("web", func(s *fakeService) { s.progress, s.updated = progress, time.Now() })
		target.sights.clear()
		if stale, err := target.Stale(t.Context(), logins); stale || err != nil {
			t.Errorf("%s: undone: %t, %v", progress, stale, err)
		}
		h := target.held["id-web"]
		h.at = h.at.Add(-time.Hour)
		target.held["id-web"] = h
		if stale, err := target.Stale(t.Context(), logins); !stale || err != nil {
			t.Errorf("%s, an hour later: undone: %t, %v", progress, stale, err)
		}
		if err := target.Store(t.Context(), loginsWith("two", host)); err != nil || !slices.Equal(f.passwords("web"), []string{"one", "two"}) {
			t.Errorf("%s: the next token: %q, %v", progress, f.passwords("web"), err)
		}
	}
}

func TestAnUpdateOfSomebodyElseIsFollowedByOurs(t *testing.T) {
	f := newSwarm()
	f.add("web", host+"/app")
	target, _ := start(t, f)
	logins := loginsWith("one", host)
	if err := target.Store(t.Context(), logins); err != nil {
		t.Fatal(err)
	}
	f.change("web", func(s *fakeService) { s.auth = append(s.auth, "theirs") }) // as `docker service update --with-registry-auth`
	target.sights.clear()                                                       // an event does it
	if stale, err := target.Stale(t.Context(), logins); !stale || err != nil {
		t.Errorf("undone: %t, %v", stale, err)
	}
	if err := target.Store(t.Context(), logins); err != nil || !slices.Equal(f.passwords("web"), []string{"one", "theirs", "one"}) {
		t.Errorf("got %q, %v", f.passwords("web"), err)
	}
}

// Two managers with this program renew each service once: the leader's does, and the
// other's from the moment at which it leads.
func TestOneManagerRenewsEachService(t *testing.T) {
	f := newSwarm()
	f.add("a", host+"/app")
	f.add("b", host+"/app")
	first, _ := start(t, f)
	behind := &asFollower{fakeSwarm: f}
	second, _ := start(t, behind)
	for _, token := range []string{"one", "two"} {
		for _, target := range []*Target{first, second} {
			if err := target.Store(t.Context(), loginsWith(token, host)); err != nil {
				t.Fatal(err)
			}
		}
	}
	behind.leads = true
	if stale, err := second.Stale(t.Context(), loginsWith("two", host)); err != nil || !stale {
		t.Errorf("the new leader sees nothing to do: %v", err)
	}
	if err := second.Store(t.Context(), loginsWith("two", host)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if got := f.passwords(name); !slices.Equal(got, []string{"one", "two", "two"}) {
			t.Errorf("service %s was updated with %q", name, got)
		}
	}
}

// asFollower is another manager of the same swarm.
type asFollower struct {
	*fakeSwarm
	leads bool
}

func (a *asFollower) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/nodes/self" && !a.leads {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ManagerStatus":{"Leader":false}}`))
		return
	}
	a.fakeSwarm.ServeHTTP(w, r)
}

func TestFaultsSayWhatToDoAndHeal(t *testing.T) {
	const secret = "eyJwYXlsb2FkIjoiQ2FuYXJ5LTdmM2ExYzlkNWU4YjI0NjAifQ"
	refuse := func(path string, status int, text string) func(*fakeSwarm) {
		return func(f *fakeSwarm) {
			f.refuse = func(r *http.Request) (int, string) {
				if strings.HasSuffix(r.URL.Path, path) {
					return status, text
				}
				return 0, ""
			}
		}
	}
	tests := []struct {
		name       string
		fail       func(*fakeSwarm)
		text, hint string // parts
	}{
		{"a worker", func(f *fakeSwarm) { f.worker = true }, "is a worker", "docker node ls"},
		{"no swarm", func(f *fakeSwarm) { f.state = "inactive" }, "in no swarm", "docker swarm init"},
		{"locked", func(f *fakeSwarm) { f.state = "locked" }, "locked", "docker swarm unlock"},
		{"an error", func(f *fakeSwarm) { f.state = "error" }, "no address", "journalctl"},
		{"no leader", refuse("/services", 500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."),
			"leader", "more than half of the managers"},
		{"no quorum", refuse("/update", 500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"), "deadline", "more than half of the managers"},
		{"demoted meanwhile", refuse("/services", 503, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."), "manager", "managers only"},
		{"a refusal", refuse("/update", 400, "invalid "+secret), "invalid [redacted]", "docker service update"},
		{"a name that repeats the secret", func(f *fakeSwarm) {
			f.change("web", func(s *fakeService) {
				s.previous, s.spec, s.progress = s.spec, specOf(secret, host+"/app", "Replicated"), "updating"
			})
		}, "[redacted]", "nothing"},
		{"a plugin", refuse("/update", 403, "authorization denied by plugin opa: no"), "opa", "POST /services/ID/update"},
		{"a socket proxy", refuse("/services", 403, "forbidden"), "not by a docker engine", "SERVICES=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newSwarm()
			f.add("web", host+"/app")
			tt.fail(f)
			target, _ := start(t, f)
			err := target.Store(t.Context(), loginsWith(secret, host))
			all := fault.All(err)
			if len(all) != 1 || all[0].Reason != fault.Engine || !strings.Contains(err.Error(), tt.text) || !strings.Contains(all[0].Hint, tt.hint) || strings.Contains(err.Error()+all[0].Hint, secret) {
				t.Errorf("got %v, hint %q", err, all[0].Hint)
			}
			f.set(func(f *fakeSwarm) {
				f.worker, f.state, f.refuse, f.services["id-web"].progress = false, "active", nil, ""
			})
			if err := target.Store(t.Context(), loginsWith(secret, host)); err != nil {
				t.Errorf("it has not healed: %v", err)
			}
		})
	}
}

func TestAnEngineThatIsGoneIsOneFault(t *testing.T) {
	f := newSwarm()
	target, server := start(t, f)
	server.Close()
	for _, err := range []error{target.Store(t.Context(), loginsWith("one", host)), second(target.Stale(t.Context(), loginsWith("one", host)))} {
		if all := fault.All(err); len(all) != 1 || all[0].Reason != fault.Engine || all[0].Hint == "" {
			t.Errorf("got %v", err)
		}
	}
}

func second(_ bool, err error) error { return err }

func TestForgetSaysThatServicesKeepTheirLogin(t *testing.T) {
	f := newSwarm()
	f.add("elsewhere", "docker.io/library/nginx:1")
	target, _ := start(t, f)
	ours := func(h string) bool { return h == host }
	if err := target.Forget(t.Context(), ours); err != nil {
		t.Errorf("without a service of ours: %v", err)
	}
	f.add("job", host+"/app").spec = specOf("job", host+"/app", "GlobalJob")
	if err := target.Forget(t.Context(), ours); err != nil {
		t.Errorf("with a job, which has no login of ours: %v", err)
	}
	f.add("web", host+"/app")
	err := target.Forget(t.Context(), ours)
	if all := fault.All(err); len(all) != 1 || !strings.Contains(err.Error(), `"web"`) || !strings.Contains(all[0].Hint, "--with-registry-auth") {
		t.Errorf("got %v", err)
	}
	f.set(func(f *fakeSwarm) { f.worker = true })
	if err := target.Forget(t.Context(), ours); err != nil {
		t.Errorf("on a worker: %v", err)
	}
}
