package engine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"

	"github.com/docker/docker/api/types/registry"
)

func TestStoreSendsEachLoginToTheEngine(t *testing.T) {
	f := &fakeEngine{version: "1.41"}
	tgt := target(t, f)
	if err := tgt.Store(t.Context(), loginsFor("a.example", "b.example")); err != nil {
		t.Fatal(err)
	}
	_, seen := f.calls()
	slices.SortFunc(seen, func(a, b registry.AuthConfig) int { return strings.Compare(a.ServerAddress, b.ServerAddress) })
	want := []registry.AuthConfig{
		{Username: "AWS", Password: password, ServerAddress: "a.example"},
		{Username: "AWS", Password: password, ServerAddress: "b.example"},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("the engine saw %v", seen)
	}
	if got := tgt.String(); got != "docker engine at "+tgt.options.Host+", from the target's host" {
		t.Errorf("String = %q", got)
	}
	if err := tgt.Store(t.Context(), nil); err != nil {
		t.Errorf("nothing to store: %v", err)
	}
}

func TestVersionIsNegotiatedAnewAfterARestart(t *testing.T) {
	socket := socketPath(t)
	tgt := newTarget(Options{Host: "unix://" + socket})
	for _, tt := range []struct{ version, want string }{
		{"1.40", "/v1.40/auth"}, {"1.51", "/v1.51/auth"}, {"1.56", "/v1.51/auth"}, {"1.41", "/v1.41/auth"},
	} {
		f := &fakeEngine{version: tt.version}
		s := serve(t, socket, f)
		if err := tgt.Store(t.Context(), loginsFor("a.example")); err != nil {
			t.Fatal(err)
		}
		if paths, _ := f.calls(); !slices.Equal(paths, []string{tt.want}) {
			t.Errorf("engine with API %s was asked %q, want %q", tt.version, paths, tt.want)
		}
		s.Close()
	}
}

// gate holds requests until it is opened and counts how many it holds.
type gate struct {
	open     chan struct{}
	entered  chan struct{}
	now, top atomic.Int32
}

func newGate() *gate { return &gate{open: make(chan struct{}), entered: make(chan struct{}, 1000)} }

func (g *gate) auth(r *http.Request, _ registry.AuthConfig) (int, string) {
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for top := g.top.Load(); n > top && !g.top.CompareAndSwap(top, n); top = g.top.Load() {
	}
	g.entered <- struct{}{}
	select {
	case <-g.open:
	case <-r.Context().Done():
	}
	return http.StatusOK, ""
}

func TestAtMostEightRequestsOverAllStores(t *testing.T) {
	g := newGate()
	f := &fakeEngine{version: "1.41", auth: g.auth}
	tgt := target(t, f)
	hosts := manyHosts(60)
	errs := make([]error, 3)
	var stores sync.WaitGroup
	for i := range errs {
		stores.Go(func() { errs[i] = tgt.Store(t.Context(), loginsFor(hosts[20*i:20*i+20]...)) })
	}
	for range parallel {
		<-g.entered
	}
	if n := len(tgt.slots); n != parallel {
		t.Errorf("%d slots are taken while all requests wait, want %d", n, parallel)
	}
	close(g.open)
	stores.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if top := g.top.Load(); top != parallel {
		t.Errorf("%d requests at once, want %d", top, parallel)
	}
	if _, seen := f.calls(); len(seen) != len(hosts) {
		t.Errorf("%d logins, want %d", len(seen), len(hosts))
	}
	if n := len(tgt.slots); n != 0 {
		t.Errorf("%d slots were not given back", n)
	}
}

func TestConnectionsAreUsedAgainAndClosedAtTheEnd(t *testing.T) {
	var opened atomic.Int32
	ended := make(chan struct{}, 1000)
	s := httptest.NewUnstartedServer(&fakeEngine{version: "1.41"})
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			ended <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	tgt := newTarget(Options{Host: "tcp://" + s.Listener.Addr().String()})
	if err := tgt.Store(t.Context(), loginsFor(manyHosts(400)...)); err != nil {
		t.Fatal(err)
	}
	n := opened.Load()
	if n > parallel {
		t.Errorf("400 hosts took %d connections", n)
	}
	for range n {
		<-ended
	}
}

func TestEachCauseIsOneFaultWithItsHosts(t *testing.T) {
	hosts := manyHosts(52)
	f := &fakeEngine{version: "1.41", auth: func(_ *http.Request, a registry.AuthConfig) (int, string) {
		switch i := slices.Index(hosts, a.ServerAddress); {
		case i < 50:
			return 500, "login attempt to https://" + a.ServerAddress + "/v2/ failed with status: 401 Unauthorized"
		case i == 50:
			return 500, `Get "https://` + a.ServerAddress + `/v2/": dial tcp: lookup ` + a.ServerAddress + ` on 10.0.0.2:53: no such host`
		}
		return http.StatusOK, ""
	}}
	err := target(t, f).Store(t.Context(), loginsFor(hosts...))
	faults := fault.All(err)
	if len(faults) != 2 {
		t.Fatalf("got %d faults: %v", len(faults), err)
	}
	if e := faults[0]; e.Reason != fault.Rejected || !slices.Equal(e.Hosts, hosts[:50]) ||
		e.Error() != "log the docker engine in to 50 registries: login attempt to https://HOST/v2/ failed with status: 401 Unauthorized" ||
		strings.Contains(e.Hint, hosts[0]) {
		t.Errorf("the group is %s %q, hint %q, hosts %v", e.Reason, e, e.Hint, e.Hosts)
	}
	if e := faults[1]; e.Reason != fault.Network || !slices.Equal(e.Hosts, hosts[50:51]) || !strings.Contains(e.Error(), hosts[50]) {
		t.Errorf("the single one is %s %q, hosts %v", e.Reason, e, e.Hosts)
	}
	for i, h := range hosts {
		concerned := faults[0].Concerns(h) || faults[1].Concerns(h)
		if want := i < 51; concerned != want {
			t.Errorf("host %d is concerned: %v", i, concerned)
		}
	}
}

func TestFleetingAnswerIsAskedTwice(t *testing.T) {
	tests := []struct {
		name   string
		first  string
		second string // empty: accepted
		want   int    // requests
		reason fault.Reason
	}{
		{"a short 404", "login attempt to https://h/v2/ failed with status: 404 Not Found", "", 2, ""},
		{"a short time-out", `Get "https://h/v2/": net/http: TLS handshake timeout`, "", 2, ""},
		{"a lasting 503", "failed with status: 503 Service Unavailable", "failed with status: 503 Service Unavailable", 2, fault.Network},
		{"then rejected", "failed with status: 502 Bad Gateway", "failed with status: 401 Unauthorized", 2, fault.Rejected},
		{"rejected at once", "failed with status: 401 Unauthorized", "", 1, fault.Rejected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			f := &fakeEngine{version: "1.41", auth: func(*http.Request, registry.AuthConfig) (int, string) {
				text := tt.first
				if n.Add(1) > 1 {
					text = tt.second
				}
				if text == "" {
					return http.StatusOK, ""
				}
				return 500, text
			}}
			err := target(t, f).Store(t.Context(), loginsFor("h"))
			if got := int(n.Load()); got != tt.want {
				t.Errorf("%d requests, want %d", got, tt.want)
			}
			if (err == nil) != (tt.reason == "") || err != nil && !fault.Has(err, tt.reason) {
				t.Errorf("got %v, want reason %q", err, tt.reason)
			}
		})
	}
}

func TestEngineThatDiesStopsTheStore(t *testing.T) {
	hosts := manyHosts(100)
	var n atomic.Int32
	f := &fakeEngine{version: "1.41", auth: func(_ *http.Request, a registry.AuthConfig) (int, string) {
		n.Add(1)
		if a.ServerAddress == hosts[0] {
			return http.StatusOK, ""
		}
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}}
	tgt := target(t, f)
	err := tgt.Store(t.Context(), loginsFor(hosts[0]))
	if err != nil {
		t.Fatal(err)
	}
	err = tgt.Store(t.Context(), loginsFor(hosts[1:]...))
	var e *fault.Error
	if !errors.As(err, &e) || e.Reason != fault.Engine || len(fault.All(err)) != 1 || e.Hosts != nil || e.Hint == "" {
		t.Fatalf("got %#v", err)
	}
	if got := n.Load(); got > 1+2*parallel {
		t.Errorf("%d of 100 hosts were still tried", got)
	}
}

func TestVersionTooOldIsOneFaultForAllHosts(t *testing.T) {
	f := &fakeEngine{version: "1.99", auth: func(*http.Request, registry.AuthConfig) (int, string) {
		return 400, "client version 1.51 is too old. Minimum supported API version is 1.90, please upgrade your client to a newer version"
	}}
	err := target(t, f).Store(t.Context(), loginsFor(manyHosts(30)...))
	if all := fault.All(err); len(all) != 1 || all[0].Reason != fault.Engine || !strings.Contains(all[0].Hint, "API version") {
		t.Errorf("got %v", err)
	}
}

func TestCancelledStoreReturnsWhileTheEngineIsStuck(t *testing.T) {
	g := newGate() // never opened: only the end of the connection frees it
	tgt := target(t, &fakeEngine{version: "1.41", auth: g.auth})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- tgt.Store(ctx, loginsFor(manyHosts(20)...)) }()
	for range parallel {
		<-g.entered
	}
	cancel()
	err := <-done
	var e *fault.Error
	if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Hosts != nil {
		t.Errorf("got %#v", err)
	}
	if err := tgt.Store(ctx, loginsFor("h")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func TestEngineThatNeverAnswersIsUnreachable(t *testing.T) {
	stuck := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	socket := socketPath(t)
	serve(t, socket, stuck)
	tgt := newTarget(Options{Host: "unix://" + socket, Timeout: 50 * time.Millisecond})
	if err := tgt.Store(t.Context(), loginsFor("h")); !fault.Has(err, fault.Engine) {
		t.Errorf("got %v", err)
	}
}

func TestSlowRegistryIsNetwork(t *testing.T) {
	tgt := target(t, &fakeEngine{version: "1.41", auth: newGate().auth})
	where, err := tgt.env.resolve(tgt.options)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), where, answerLimit, tgt.secrets.clean)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := tgt.ping(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	tgt.options.Timeout = 50 * time.Millisecond // never enough: the gate stays shut
	err = report(t.Context(), tgt.loginAll(t.Context(), s, loginsFor("h")), tgt.secrets.clean)
	if all := fault.All(err); len(all) != 1 || all[0].Reason != fault.Network || !slices.Equal(all[0].Hosts, []string{"h"}) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsNeverShowTheSecret(t *testing.T) {
	l := loginsFor("h")[0]
	echoes := map[string]string{
		"password":   "bad login: " + password,
		"basic":      "Authorization: Basic " + l.Basic().Reveal(),
		"cut":        "body began with {\"username\":\"AWS\",\"password\":\"" + password[:30],
		"page":       strings.Repeat("x", textLimit-20) + password,
		"far":        strings.Repeat("x", readLimit-30) + password,
		"with 401":   "failed with status: 401 Unauthorized for AWS:" + password,
		"with colon": "version mismatch client version api version " + password,
	}
	for name, text := range echoes {
		t.Run(name, func(t *testing.T) {
			f := &fakeEngine{version: "1.41", auth: func(*http.Request, registry.AuthConfig) (int, string) { return 500, text }}
			err := target(t, f).Store(t.Context(), loginsFor("h"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, e := range fault.All(err) {
				for cause := error(e); cause != nil; cause = errors.Unwrap(cause) {
					shown := cause.Error() + e.Hint
					for _, secret := range []string{password, l.Basic().Reveal()} {
						for i := 0; i+window <= len(secret); i++ {
							if strings.Contains(shown, secret[i:i+window]) {
								t.Fatalf("%q shows the secret", shown)
							}
						}
					}
				}
			}
		})
	}
}
