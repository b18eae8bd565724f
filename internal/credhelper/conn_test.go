package credhelper

import (
	"io"
	"syscall"
	"testing"
	"time"
)

// pair gives a connection, and the file descriptor of its other end, which the
// test closes.
func pair(t *testing.T, end time.Time) (*conn, int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{fds[0], end}
	t.Cleanup(c.Close)
	return c, fds[1]
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
			c, other := pair(t, time.Now().Add(time.Minute))
			if _, err := syscall.Write(other, []byte(tt.sent)); err != nil {
				t.Fatal(err)
			}
			syscall.Close(other)
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
	c, other := pair(t, time.Now())
	defer syscall.Close(other)
	if _, err := c.Write([]byte("x")); err != errLate {
		t.Errorf("write: got %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != errLate {
		t.Errorf("read: got %v", err)
	}
}

// A request that does not fit into the socket at once arrives whole.
func TestWriteGoesOnAfterAPart(t *testing.T) {
	c, other := pair(t, time.Now().Add(time.Minute))
	const size = 4 << 20
	got := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, &conn{other, time.Now().Add(time.Minute)})
		got <- n
	}()
	n, err := c.Write(make([]byte, size))
	if n != size || err != nil {
		t.Errorf("wrote %d bytes: %v", n, err)
	}
	if err := syscall.Shutdown(c.fd, syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != size {
		t.Errorf("%d bytes arrived", n)
	}
	syscall.Close(other)
}
