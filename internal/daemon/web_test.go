package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/web"
)

// port is an address of this host at which nobody listens.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// visit gets a path from address; code 0 where nobody listens.
func visit(client *http.Client, url string) (code int, body string) {
	r, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(text)
}

func at(address string) string { return fmt.Sprintf("http: {listen: %q}\n", address) }

func TestMetricsAndHealthAreOnTheSocketAndOverTCP(t *testing.T) {
	address := port(t)
	d := start(t, registries+at(address), Options{Version: "1.2.3"})
	socket := filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), socketName)
	local := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	await(t, "both", func() bool {
		a, _ := visit(http.DefaultClient, "http://"+address+"/readyz")
		b, _ := visit(local, "http://localhost/readyz")
		return a == 200 && b == 200
	})
	if _, err := api.Dial([]string{socket}).Credential(t.Context(), hostUS, 0); err != nil {
		t.Fatal(err)
	}
	for client, base := range map[*http.Client]string{http.DefaultClient: "http://" + address, local: "http://localhost"} {
		if code, body := visit(client, base+"/healthz"); code != 200 || body != "ok\n" {
			t.Errorf("%s: got %d %q", base, code, body)
		}
		_, text := visit(client, base+"/metrics")
		for _, line := range []string{`ecr_refreshd_build_info{version="1.2.3",`, `ecr_refreshd_registry_state{host="` + hostUS + `",state="fresh"} 1`,
			`ecr_refreshd_refreshes_total{region="eu-west-1",result="success"} 1`, `ecr_refreshd_target_hosts{target="docker-config",state="ok"} 3`,
			`ecr_refreshd_credential_requests_total{result="success"} 1`, "go_goroutines ", "process_resident_memory_bytes "} {
			if !strings.Contains(text, "\n"+line) {
				t.Errorf("%s: there is no %s in\n%s", base, line, text)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		r, err := local.Get("http://localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.ContentLength < 0 || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s on the socket: %d bytes, %v", path, r.ContentLength, r.Header)
		}
	}
	if r, err := http.Get("http://" + address + "/"); err != nil || r.StatusCode != 200 || !strings.Contains(r.Header.Get("Content-Security-Policy"), "'sha256-") {
		t.Errorf("the page: %+v, %v", r, err)
	} else {
		r.Body.Close()
	}
	for _, path := range []string{"/v1/status", "/v1/credentials", "/v1/credentials/" + hostUS} {
		if code, body := visit(http.DefaultClient, "http://"+address+path); code != 404 {
			t.Errorf("over TCP, %s answers %d %q", path, code, body)
		}
	}
	if s := d.Status().HTTP; s == nil || s.Listen != address || s.Error != nil {
		t.Errorf("the status has %+v", s)
	}
}

func TestReadinessRecovers(t *testing.T) {
	address := port(t)
	d := start(t, registries+at(address), Options{}, emulator.Fault{Operation: "GetAuthorizationToken", Region: "us-east-1", Times: 1, Status: 400, Code: "AccessDeniedException"})
	await(t, "the cause", func() bool {
		code, body := visit(http.DefaultClient, "http://"+address+"/readyz")
		return code == 503 && strings.Contains(body, "us-east-1.amazonaws.com: token is pending: ") && strings.Contains(body, "ecr:GetAuthorizationToken") && strings.Count(body, "\n") == 1
	})
	if code, body := visit(http.DefaultClient, "http://"+address+"/healthz"); code != 200 {
		t.Errorf("what AWS says is no fault of the loops: %d %s", code, body)
	}
	d.Wake()
	await(t, "readiness", func() bool { code, _ := visit(http.DefaultClient, "http://"+address+"/readyz"); return code == 200 })
}

func TestAReloadMovesTheServerOrLeavesItWhereItIs(t *testing.T) {
	first, second := port(t), port(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, number, _ := net.SplitHostPort(second)
	d := start(t, registries+at(first), Options{})
	answers := func(address string) bool {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		code, _ := visit(&client, "http://"+address+"/healthz")
		return code == 200
	}
	await(t, "the first address", func() bool { return answers(first) })
	reload := func(yaml string) {
		t.Helper()
		if err := d.Reload(t.Context(), parse(t, registries+yaml)); err != nil {
			t.Fatal(err)
		}
	}
	reload(at(taken.Addr().String()))
	await(t, "the cause in the status", func() bool {
		s := d.Status().HTTP
		return s != nil && s.Error != nil && s.Listen == first && strings.Contains(s.Error.Message, "address already in use") && strings.Contains(s.Error.Hint, "ss -ltnp")
	})
	if !answers(first) {
		t.Error("the former address does not answer though the new one cannot be bound")
	}
	if s := d.Status().Summary(); !strings.HasPrefix(s, "listen at http.listen, "+taken.Addr().String()) {
		t.Errorf("the service manager is told %q", s)
	}
	reload(at(first))
	await(t, "the end of the complaint", func() bool { s := d.Status().HTTP; return s.Error == nil && s.Listen == first })
	reload(at(second))
	await(t, "the second address", func() bool { return answers(second) })
	if answers(first) {
		t.Error("the first address still answers")
	}
	reload(at("0.0.0.0:" + number)) // which its own server is in the way of
	await(t, "every address", func() bool {
		s := d.Status().HTTP
		return s != nil && s.Error == nil && s.Listen == "0.0.0.0:"+number && answers(second)
	})
	reload("")
	await(t, "the end", func() bool { return d.Status().HTTP == nil && !answers(second) })
}

func TestAFormerAddressIsTakenAgainWhereTheSamePortElsewhereCannotBe(t *testing.T) {
	address := port(t)
	_, number, _ := net.SplitHostPort(address)
	elsewhere, err := net.Listen("tcp", "127.0.0.2:"+number) // so that 0.0.0.0 cannot be bound
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	defer elsewhere.Close()
	d := start(t, registries+at(address), Options{})
	await(t, "the address", func() bool { s := d.Status().HTTP; return s != nil && s.Listen == address })
	if err := d.Reload(t.Context(), parse(t, registries+at("0.0.0.0:"+number))); err != nil {
		t.Fatal(err)
	}
	await(t, "the cause", func() bool { s := d.Status().HTTP; return s.Error != nil && s.Listen == address })
	if code, body := visit(http.DefaultClient, "http://"+address+"/healthz"); code != 200 {
		t.Errorf("the former address answers %d %s", code, body)
	}
}

func TestATakenPortEndsTheFormerServerOnceForEachReload(t *testing.T) {
	address := port(t)
	_, number, _ := net.SplitHostPort(address)
	elsewhere, err := net.Listen("tcp", "127.0.0.2:"+number)
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	defer elsewhere.Close()
	s := &site{options: web.Options{Page: http.NotFoundHandler(), Logger: zap.NewNop()}}
	defer s.leave()
	wants := func(address string) *generation { return &generation{config: parse(t, registries+at(address))} }
	if err := s.follow(t.Context(), wants(address)); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	kept := func() (reused bool) {
		t.Helper()
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
		request, _ := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/", nil)
		r, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		return reused
	}
	all := wants("0.0.0.0:" + number)
	if err := s.follow(t.Context(), all); !web.InUse(err) || !strings.Contains(fault.All(err)[0].Hint, "then reload") || s.at == nil || s.at.address != address {
		t.Fatalf("got %v, at %+v", err, s.at)
	}
	kept()
	for range 2 {
		if err := s.follow(t.Context(), all); !web.InUse(err) {
			t.Fatalf("got %v", err)
		}
		if !kept() {
			t.Error("a further try ended the former server")
		}
	}
	elsewhere.Close()
	if err := s.follow(t.Context(), wants("0.0.0.0:"+number)); err != nil {
		t.Errorf("after a reload: %v", err)
	}
}

func TestAServerThatEndsByItselfIsReportedUnlessEverythingEnds(t *testing.T) {
	for i := range 20 { // a select takes either of what is ready
		stopping := i > 0
		l, err := web.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &site{options: web.Options{Page: http.NotFoundHandler(), Logger: zap.NewNop()}}
		s.answer(t.Context(), l, "here")
		l.Close()
		err = <-s.at.ended
		s.at.ended <- err
		ctx, cancel := context.WithCancel(t.Context())
		if stopping {
			cancel()
			err = nil
		}
		if got := s.wait(ctx, nil, nil); got != err || !stopping && (s.at != nil || fault.All(got)[0].Reason != fault.Local) {
			t.Errorf("stopping %v: got %v, at %+v", stopping, got, s.at)
		}
		cancel()
	}
}
