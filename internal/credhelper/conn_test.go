package credhelper

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a connection. The second is the test's to close.
func pair(t *testing.T) (*net.UnixConn, net.Conn) {
	t.Helper()
	path := socket(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dial(path, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c, other
}

func TestExchangeAfterTheOtherEndHasHungUp(t *testing.T) {
	tests := []struct {
		name, sent string
		want       int
		wantErr    error
	}{
		{"with an answer", reply(503, "too many"), 503, nil},
		{"without", "", 0, syscall.EPIPE},
		{"with half an answer", "HTTP/1.0 5", 0, syscall.EPIPE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, other := pair(t)
			if _, err := io.WriteString(other, tt.sent); err != nil {
				t.Fatal(err)
			}
			other.Close()
			a, err := exchange(c, request{method: "GET", path: "/"})
			if a.status != tt.want || err != tt.wantErr {
				t.Errorf("got %d, %v, want %d, %v", a.status, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestNothingIsDoneAfterTheDeadline(t *testing.T) {
	path := socket(t)
	listen(t, path, serveLogin)
	if _, err := dial(path, time.Now()); err != errLate {
		t.Errorf("dial: got %v", err)
	}
	c, other := pair(t)
	defer other.Close()
	if err := c.SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := exchange(c, request{method: "GET", path: "/"}); err != errLate {
		t.Errorf("exchange: got %v", err)
	}
}

// A listener that takes nobody any more is waited for, as long as there is time.
func TestAFullQueueIsWaitedFor(t *testing.T) {
	path := socket(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	first, err := dial(path, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := dial(path, time.Now().Add(2*pause)); err != errLate {
		t.Errorf("full to the end: got %v", err)
	}
	type result struct {
		c   net.Conn
		err error
	}
	waits := make(chan result)
	go func() {
		c, err := dial(path, time.Now().Add(time.Minute))
		waits <- result{c, err}
	}()
	taken, _, err := syscall.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(taken)
	got := <-waits
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.c.Close()
}
