package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/crowd"
	"ecr-refreshd/internal/status"
)

// hostile is what clients send that mean no good, or know no better.
func hostile() []string {
	const good = "GET /v1/credentials/" + goodHost + " HTTP/1.1\r\nHost: h\r\n\r\n"
	return []string{
		good, good + good, good[:20], good + good[:20], "", "\x00", "\r\n\r\n\r\n", strings.Repeat("\x00", 20000),
		"GET /v1/status\r\n", "GET / HTTP/0.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET /v1/status HTTP/1.1\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", 5000),
		"GET /v1/status HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", 20000) + "\r\n\r\n", "GET /" + strings.Repeat("a", 20000) + " HTTP/1.1\r\n\r\n",
		"GET /v1/credentials/\x00 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /v1/credentials/%00%0d%0a HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /v1//status HTTP/1.1\r\nHost: h\r\n\r\n", "GET /v1/../v1/status HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT /v1/../x HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /v1/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "POST /v1/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n" + good,
		"POST /v1/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n" + strings.Repeat("x", 20000),
		"POST /v1/refresh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "POST /v1/refresh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + good,
		"POST /v1/refresh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + good, "GET /v1/status HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
		"GET /v1/status HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		"GET /v1/credentials/" + brokenHost + "?wait=-1s HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\n\r\n",
	}
}

// exchange sends bytes, hangs up half, and reads until the server hangs up.
func exchange(t *testing.T, socket string, bytes []byte) string {
	t.Helper()
	c := connect(t, socket).(*net.UnixConn)
	defer func() { _ = c.Close() }()
	_, _ = c.Write(bytes) // the server may have seen enough
	_ = c.CloseWrite()
	all, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") { // it left something unread
		t.Fatal(err)
	}
	return string(all)
}

func wantClean(t *testing.T, b *bed, sent string) {
	t.Helper()
	answer := exchange(t, b.socket, []byte(sent))
	if answer != "" && !strings.HasPrefix(answer, "HTTP/1.") || strings.Contains(answer, "HTTP/1.1 3") || strings.Contains(answer, "HTTP/1.1 500") {
		t.Errorf("%.200q is answered with %.200q", sent, answer)
	}
	if got := b.ask(t, "GET", pathHealth, nil); got.code != 200 {
		t.Fatalf("after %.200q the server is not healthy: %d", sent, got.code)
	}
}

func TestBadInputEndsInACleanRefusal(t *testing.T) {
	b := newBed(t)
	for _, sent := range hostile() {
		wantClean(t, b, sent)
	}
	// What hides behind a request with a body is not taken for a request.
	smuggled := "GET /v1/credentials/" + goodHost + " HTTP/1.1\r\nHost: h\r\n\r\n"
	answer := exchange(t, b.socket, fmt.Appendf(nil, "POST /v1/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled))
	if !strings.HasPrefix(answer, "HTTP/1.1 413 ") || strings.Count(answer, "HTTP/1.1") != 1 {
		t.Errorf("got %q", answer)
	}
	b.wantNoSecret(t)
	b.stop()
	wantNoGoroutine(t)
}

// wantNoGoroutine waits until no connection is served any more.
func wantNoGoroutine(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		if text := string(stacks[:runtime.Stack(stacks, true)]); !strings.Contains(text, "net/http.(*conn).serve") {
			return
		} else if time.Now().After(end) {
			t.Fatalf("goroutines are left:\n%s", text)
		}
	}
}

func FuzzServer(f *testing.F) {
	for _, sent := range hostile() {
		f.Add([]byte(sent))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		if strings.Contains(strings.ToLower(string(sent)), "wait") {
			return // it would
		}
		wantClean(t, newBed(t), string(sent))
	})
}

func TestACrowdOfSilentAndSlowClientsHarmsNobody(t *testing.T) {
	b := newBed(t)
	rows := make([]status.Registry, 2000)
	for i := range rows {
		rows[i] = status.Registry{Host: fmt.Sprintf("%012d.dkr.ecr.us-east-1.amazonaws.com", i), State: status.Fresh,
			Targets: []status.Target{{Name: "engine", State: status.OK}}}
	}
	b.report.Registries = rows
	start := time.Now()
	for range 1000 {
		connect(t, b.socket)
		slow := connect(t, b.socket)
		if _, err := io.WriteString(slow, "GET /v1/status HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReaderSize(slow, 16).ReadSlice('1'); err != nil || string(line) != "HTTP/1" {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	if got := b.ask(t, "GET", pathCredentials+"/"+goodHost, nil); got.code != 200 {
		t.Errorf("got %d", got.code)
	}
	b.locked(func() {
		if most := int(time.Since(start)/crowd.Life) + 1 + crowd.Alone; b.asked > most {
			t.Errorf("the status was encoded %d times, want %d at most", b.asked, most)
		}
	})
}
