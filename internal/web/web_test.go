package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// serve starts a server on a port of its own and returns its address.
func serve(t *testing.T, o Options) (address string, stop func()) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.names = append(l.names, "web1.example.com")
	o.Logger, o.Page = zap.NewNop(), text("page")
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// exchange sends text on a connection of its own and returns the answer.
func exchange(t *testing.T, address, text string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // rather than hang
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
}

func TestRequests(t *testing.T) {
	handlers := map[string]http.Handler{"/metrics": text("numbers"), "/broken": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("canary") })}
	address, _ := serve(t, Options{Handlers: handlers})
	tests := []struct {
		name, request string
		code          int
		want          string
	}{
		{"an address", "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9462", 200, "numbers"},
		{"an IPv6 address", "GET /metrics HTTP/1.1\r\nHost: [::1]:9462", 200, "numbers"},
		{"an IPv6 address without a port", "GET /metrics HTTP/1.1\r\nHost: [fe80::1]", 200, "numbers"},
		{"localhost", "GET /metrics HTTP/1.1\r\nHost: LOCALHOST:9462", 200, "numbers"},
		{"a name of this host", "GET /metrics HTTP/1.1\r\nHost: web1.example.com:9462", 200, "numbers"},
		{"with the root's dot", "GET /metrics HTTP/1.1\r\nHost: web1.example.com.", 200, "numbers"},
		{"no browser", "GET /metrics HTTP/1.0", 200, "numbers"},
		{"HEAD", "HEAD /metrics HTTP/1.1\r\nHost: localhost", 200, ""},
		{"the page", "GET / HTTP/1.1\r\nHost: localhost", 200, "page"},
		{"a stranger's name", "GET /metrics HTTP/1.1\r\nHost: evil.example:9462", 421, `name "evil.example:9462": use`},
		{"one that begins like ours", "GET /metrics HTTP/1.1\r\nHost: web1.example.com.evil.example", 421, "http.listen"},
		{"one that looks like an address", "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example", 421, "http.listen"},
		{"a stranger's name in the target", "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost", 421, "http.listen"},
		{"a link", "GET /metrics HTTP/1.1\r\nHost: <b>\x7f", 400, ""},
		{"POST", "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", 405, "use GET or HEAD"},
		{"another method", "BREW / HTTP/1.1\r\nHost: localhost", 405, "use GET or HEAD"},
		{"OPTIONS of the whole", "OPTIONS * HTTP/1.1\r\nHost: localhost", 405, "use GET or HEAD"},
		{"a body", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000", 413, "send none"},
		{"a body in chunks", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked", 413, "send none"},
		{"another path, which is the page's", "GET /v1/credentials HTTP/1.1\r\nHost: localhost", 200, "page"},
		{"a defect", "GET /broken HTTP/1.1\r\nHost: localhost", 500, "journal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, body := exchange(t, address, tt.request+"\r\n\r\n")
			if r.StatusCode != tt.code || !strings.Contains(body, tt.want) || strings.Contains(body, "canary") {
				t.Errorf("got %d %q", r.StatusCode, body)
			}
			if r.StatusCode == 405 && r.Header.Get("Allow") != "GET, HEAD" || r.StatusCode == 200 && r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got the headers %v", r.Header)
			}
		})
	}
}

func TestACrowdDoesNotStopTheServer(t *testing.T) {
	address, stop := serve(t, Options{Handlers: map[string]http.Handler{"/metrics": text("numbers")}})
	var silent []net.Conn
	for range maxConns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	for range 50 { // each is closed at once
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
			t.Fatalf("one more is served: %d, %v", n, err)
		}
		_ = c.Close()
	}
	_ = silent[0].SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(silent[0], "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReader(silent[0]), nil); err != nil || r.StatusCode != 200 {
		t.Fatalf("one of the crowd gets %v, %v", r, err)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Error("a crowd holds up the end")
	}
}

func TestAnAnswerThatNobodyReadsTakesLittleOfTheKernel(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := (&crowd{Listener: l, room: make(chan struct{}, 1)}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*admitted).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	if err := raw.Control(func(fd uintptr) { size, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }); err != nil || size != 2*sendBuffer {
		t.Errorf("the buffer has %d bytes, %v", size, err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

func TestASlowReaderDoesNotHoldUpTheEnd(t *testing.T) {
	begun := make(chan struct{})
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		for block := make([]byte, 1<<16); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	address, stop := serve(t, Options{Handlers: map[string]http.Handler{"/endless": endless}})
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(writeTime - time.Second):
		t.Error("the end waits for a reader that does not read")
	}
}

func TestAnAddressInUseSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for address, want := range map[string]string{
		l.Addr().String():    "ss -ltnp 'sport = :" + port + "'",
		"192.0.2.99:" + port: "0.0.0.0:" + port,
	} {
		_, err := Listen(t.Context(), address)
		f := asFault(err)
		if f == nil || !strings.Contains(f.Hint, want) || !strings.HasPrefix(f.Error(), "listen at http.listen, "+address+": ") {
			t.Errorf("%s: got %v, %+v", address, err, f)
		}
		if strings.Contains(address, "127.0.0.1") != InUse(err) {
			t.Errorf("%s: in use: %v", address, InUse(err))
		}
	}
}

func TestAServerThatHasEndedHasClosedItsListener(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // its goroutine may come first
		l, err := Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Listener.(*net.TCPListener).SetDeadline(time.Unix(1, 0)) // rather than wait
		if err := Serve(ctx, l, Options{Page: text("page"), Logger: zap.NewNop()}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("the listener is open: %v", err)
		}
	}
}
