package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// api is a local API for the hosts a and b; each look-up goes by seen first.
func api(t *testing.T, seen func(host string)) (socket string) {
	t.Helper()
	// Not t.TempDir: the test's name would make the socket's path too long.
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/credentials/{host}", func(w http.ResponseWriter, r *http.Request) {
		host := r.PathValue("host")
		seen(host)
		if host != "a" && host != "b" {
			http.Error(w, "not ours", http.StatusNotFound)
			return
		}
		body := fmt.Sprintf(`{"ServerURL":%q}`, host)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write([]byte(body[:3]))
		_ = http.NewResponseController(w).Flush() // the rest comes by itself
		_, _ = w.Write([]byte(body[3:]))
	})
	server := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
		_ = os.RemoveAll(dir)
	})
	return socket
}

func TestCallerReadsAnswersInPiecesAndGoesOnAfterARefusal(t *testing.T) {
	c, err := newCaller(api(t, func(string) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, tt := range []struct{ host, want, wantErr string }{
		{host: "a", want: `{"ServerURL":"a"}`},
		{host: "c", wantErr: "status 404: not ours"},
		{host: "b", want: `{"ServerURL":"b"}`},
	} {
		got, err := c.call(request(tt.host))
		if string(got) != tt.want || (tt.wantErr == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: got %q, %v; want %q, %q", tt.host, got, err, tt.want, tt.wantErr)
		}
	}
}

func TestPacedLoadDoesEveryLookupThatIsDue(t *testing.T) {
	var mu sync.Mutex
	calls := make(map[string]int)
	socket := api(t, func(host string) {
		mu.Lock()
		defer mu.Unlock()
		calls[host]++
	})
	p := plan{callers: 4, every: time.Millisecond, length: 20 * time.Millisecond}
	l, err := p.run(t.Context(), os.Getpid(), socket, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if calls["a"] != 10 || calls["b"] != 10 {
		t.Errorf("got %v, want 10 look-ups of each host", calls)
	}
	if l.p50 <= 0 || l.p50 > l.p99 || l.p99 > l.p999 || l.rate <= 0 || l.client <= 0 {
		t.Errorf("got %+v", l)
	}
}

// A generator that only waited for each answer would see one slow look-up here.
func TestALateAnswerMakesThoseBehindItLate(t *testing.T) {
	const stall = 30 * time.Millisecond
	var once sync.Once
	socket := api(t, func(string) { once.Do(func() { time.Sleep(stall) }) })
	p := plan{callers: 1, every: time.Millisecond, length: 10 * time.Millisecond}
	l, err := p.run(t.Context(), os.Getpid(), socket, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if atLeast := stall - p.length; l.p50 < atLeast {
		t.Errorf("got a median of %s, want at least %s", l.p50, atLeast)
	}
}

func TestLoadEnds(t *testing.T) {
	socket := api(t, func(string) {})
	p := plan{callers: 2, length: time.Hour}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name, host string
		ctx        context.Context
		wantErr    string
	}{
		{name: "with a refusal", host: "c", ctx: t.Context(), wantErr: `host "c": status 404`},
		{name: "with its context", host: "a", ctx: cancelled, wantErr: context.Canceled.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if l, err := p.run(tt.ctx, os.Getpid(), socket, []string{tt.host}); err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("got %+v, %v; want %q", l, err, tt.wantErr)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	latencies := make([]time.Duration, 1000)
	for i := range latencies {
		latencies[i] = time.Duration(1000 - i) // 1 to 1000 ns
	}
	tests := []struct {
		name      string
		latencies []time.Duration
		want      load
	}{
		{name: "a thousand", latencies: latencies, want: load{rate: 500, p50: 501, p99: 991, p999: 1000, daemon: 10, client: 5}},
		{name: "one", latencies: []time.Duration{7}, want: load{rate: 0.5, p50: 7, p99: 7, p999: 7, daemon: 10000, client: 5000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := summary(tt.latencies, 2*time.Second, 10000, 5000); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
