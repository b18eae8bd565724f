package credhelper

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// listen opens a socket and hands every connection to serve, each in turn.
func listen(t *testing.T, path string, serve func(n int, c net.Conn)) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(n, c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// take reads a request to its end, as a server must before it hangs up.
func take(c net.Conn) string {
	var request []byte
	for b := make([]byte, 1); !bytes.HasSuffix(request, []byte("\r\n\r\n")); {
		if _, err := c.Read(b); err != nil {
			break
		}
		request = append(request, b...)
	}
	return string(request)
}

func socket(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

// helper has no patience; its deadlines are long enough for any machine.
func helper(sockets ...string) *Helper {
	h := New("1.2.3", sockets, 1000, "")
	h.daemon.patience = 0
	h.askTime, h.storeTime = time.Minute, time.Minute
	return h
}

func run(h *Helper, command, input string) (string, int) {
	var out bytes.Buffer
	code := h.Run([]string{command}, strings.NewReader(input), &out, &out)
	return out.String(), code
}

func reply(status int, body string) string {
	return fmt.Sprintf("HTTP/1.0 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func TestRunOnHostileDaemons(t *testing.T) {
	tests := []struct {
		name  string
		serve func(c net.Conn)
		limit time.Duration // 0: long
		want  string        // AT stands for the socket
	}{
		{"hangs up", func(net.Conn) {}, 0, "ecr-refreshd: the daemon at AT hangs up without an answer; see `systemctl status ecr-refreshd`\n"},
		{"hangs up after the request", func(c net.Conn) { take(c) }, 0, "ecr-refreshd: the daemon at AT hangs up without an answer; see `systemctl status ecr-refreshd`\n"},
		{"refuses before the request", func(c net.Conn) { io.WriteString(c, reply(503, "too many\n")) }, 0, "ecr-refreshd: too many\n"},
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, 50 * time.Millisecond,
			"ecr-refreshd: the daemon at AT gives no answer within 50ms; see `systemctl status ecr-refreshd`\n"},
		{"a byte now and then", drip, 100 * time.Millisecond,
			"ecr-refreshd: the daemon at AT gives no answer within 100ms; see `systemctl status ecr-refreshd`\n"},
		{"half an answer", func(c net.Conn) { take(c); io.WriteString(c, reply(200, `{"Secret":"s3cret"}`)[:48]) }, 0,
			"ecr-refreshd: the answer at AT makes no sense: it ends after 10 of 19 bytes; is it another program that listens there?\n"},
		{"endless answer", func(c net.Conn) {
			for _, err := io.WriteString(c, "HTTP/1.0 200 OK\r\n"); err == nil; {
				_, err = io.WriteString(c, "s3cret: x\r\n")
			}
		}, 0, "ecr-refreshd: the answer at AT makes no sense: its head is longer than 16384 bytes; is it another program that listens there?\n"},
		{"another program", func(c net.Conn) { io.WriteString(c, "220 ready s3cret\r\n\r\n"); take(c) }, 0,
			"ecr-refreshd: the answer at AT makes no sense: it is not HTTP; is it another program that listens there?\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := socket(t)
			listen(t, path, func(_ int, c net.Conn) { tt.serve(c) })
			h := helper(path)
			if tt.limit != 0 {
				h.askTime = tt.limit
			}
			got, code := run(h, "get", ecrHost)
			want := strings.ReplaceAll(tt.want, "AT", fmt.Sprintf("%q", path))
			if got != want || code != 1 {
				t.Errorf("got %d, %q, want %q", code, got, want)
			}
		})
	}
}

// drip sends a head that grows for ever, slower than any bound on its size could end it.
func drip(c net.Conn) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, err := io.WriteString(c, "HTTP/1.0 200 OK\r\nX: "); err == nil; <-tick.C {
		_, err = io.WriteString(c, "y")
	}
}

func TestRunReadsStandardInputWithinBounds(t *testing.T) {
	tests := []struct {
		name, command string
		in            io.Reader
		want          string
	}{
		{"long server", "get", strings.NewReader(strings.Repeat("a", serverLimit+1)), "ecr-refreshd: read standard input: longer than 8192 bytes\n"},
		{"long login", "store", strings.NewReader(strings.Repeat(" ", storeLimit+1)), "ecr-refreshd: read standard input: longer than 1048576 bytes\n"},
		{"broken pipe", "get", iotest.ErrReader(io.ErrUnexpectedEOF), "ecr-refreshd: read standard input: unexpected EOF\n"},
		{"broken pipe at store", "store", iotest.ErrReader(io.ErrUnexpectedEOF), "ecr-refreshd: read standard input: unexpected EOF\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := helper("/nowhere").Run([]string{tt.command}, tt.in, &out, &out); code != 1 || out.String() != tt.want {
				t.Errorf("got %d, %q, want %q", code, out.String(), tt.want)
			}
		})
	}
}

// A client may take a closed pipe for a failure.
func TestEraseReadsWhatItIsTold(t *testing.T) {
	in := strings.NewReader(ecrHost)
	var out bytes.Buffer
	if code := helper("/nowhere").Run([]string{"erase"}, in, &out, &out); code != 0 || out.Len() > 0 || in.Len() > 0 {
		t.Errorf("got %d, %q, and %d bytes left", code, out.String(), in.Len())
	}
}

func TestRunFailsWhenItCannotPrint(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if code := helper().Run([]string{"version"}, nil, w, w); code != 1 {
		t.Errorf("got %d", code)
	}
}
