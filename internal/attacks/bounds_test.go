package attacks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
)

// handful is how often a request may be made in one attempt: a second time after
// a wrong clock or an end, and each of that with another version of a protocol.
const handful = 4

// everyRequest calls do for each request of each road.
func everyRequest(t *testing.T, do func(t *testing.T, r road, request string)) {
	for _, r := range roads {
		for _, request := range r.requests {
			t.Run(r.name+"/"+request, func(t *testing.T) { do(t, r, request) })
		}
	}
}

// TestNoRedirectIsFollowed: none for credentials, none for what is signed.
func TestNoRedirectIsFollowed(t *testing.T) {
	silence(t)
	everyRequest(t, func(t *testing.T, r road, request string) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(status, " in a loop"), func(t *testing.T) {
				c := newCloud(t)
				source := r.source(t, c)
				c.victim = request
				c.hook = func(w http.ResponseWriter, q *http.Request) {
					if c.count(request) > 100 {
						w.WriteHeader(http.StatusTeapot) // enough is known
						return
					}
					http.Redirect(w, q, q.URL.Path, status)
				}
				_, err := source.Fetch(t.Context())
				if got := c.count(request); got == 0 || got > handful {
					t.Errorf("%d requests, want 1 to %d: %v", got, handful, err)
				}
			})
			t.Run(fmt.Sprint(status, " to another host"), func(t *testing.T) {
				c, thief := newCloud(t), newCloud(t)
				source := r.source(t, c)
				c.victim = request
				other := strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)
				c.hook = func(w http.ResponseWriter, q *http.Request) {
					w.Header().Set("Location", other+q.URL.RequestURI())
					w.WriteHeader(status)
				}
				_, err := source.Fetch(t.Context())
				if got := thief.total(); got > 0 {
					t.Errorf("the other host got %d requests", got)
				}
				for _, v := range thief.ledger.all() {
					if strings.Contains(v.field, " answer") {
						continue // its own
					}
					for _, l := range c.ledger.search(v.text) {
						t.Errorf("the other host got %s as %s", l.field, v.field)
					}
				}
				if err == nil && request != askIMDSToken { // without one, the older protocol goes on
					t.Error("what the other host answered was taken")
				}
			})
		}
	})
}

// total is how often anything was asked.
func (c *cloud) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, asked := range c.asked {
		n += asked
	}
	return n
}

// bomb is 64 MiB of an answer, compressed.
var bomb = func() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, `{"message":"`)
	for range 64 {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	}
	_ = w.Close()
	return b.Bytes()
}()

// floods are answers without an end, or with much in little.
var floods = []struct {
	name string
	head string
	part []byte
	once bool
}{
	{"body", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Token\":\"", bytes.Repeat([]byte("x"), 64<<10), false},
	{"body of spaces", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", bytes.Repeat([]byte(" "), 64<<10), false},
	{"body of lines", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", bytes.Repeat([]byte("a\n"), 32<<10), false},
	{"body of nesting", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", bytes.Repeat([]byte("["), 64<<10), false},
	{"body of elements", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<R>", bytes.Repeat([]byte("<a>"), 20<<10), false},
	{"error body", "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n\r\n{\"message\":\"", bytes.Repeat([]byte("x"), 64<<10), false},
	{"status line", "HTTP/1.1 200 ", bytes.Repeat([]byte("x"), 64<<10), false},
	{"headers", "HTTP/1.1 200 OK\r\n", bytes.Repeat([]byte("X-A: "+strings.Repeat("x", 1000)+"\r\n"), 64), false},
	{"hints", "", bytes.Repeat([]byte("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), 1000), false},
	{"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n0\r\n", bytes.Repeat([]byte("X-A: "+strings.Repeat("x", 1000)+"\r\n"), 64), false},
	{"chunk extensions", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", bytes.Repeat([]byte("x"), 64<<10), false},
	{"compression", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n", bomb, true},
	{"compressed error", "HTTP/1.1 400 No\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n", bomb, true},
}

// most bounds, in bytes, what an endless answer may cost on the wire; a socket's
// buffers take some of it unread.
const most = 16 << 20

// TestAnAnswerWithoutAnEndIsEnded: in what was read of it, and in the program's memory.
func TestAnAnswerWithoutAnEndIsEnded(t *testing.T) {
	silence(t)
	everyRequest(t, func(t *testing.T, r road, request string) {
		for _, flood := range floods {
			c := newCloud(t)
			var sent atomic.Int64
			c.victim = request
			c.hook = flooding(flood.head, flood.part, flood.once, &sent)
			source := r.source(t, c)
			begun := time.Now()
			_, err := source.Fetch(t.Context())
			if sent.Load() > most {
				t.Errorf("%s: took %d MiB", flood.name, sent.Load()>>20)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("%s: took %s", flood.name, took)
			}
			if err == nil && request != askIMDSToken && request != askIMDSRoles {
				t.Errorf("%s: no fault", flood.name)
			}
			if err != nil && len(fault.All(err)) != 1 {
				t.Errorf("%s: %T", flood.name, err)
			}
			c.Close()
		}
	})
}

// flooding writes an answer until the client leaves, or far too much was sent.
func flooding(head string, part []byte, once bool, sent *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, err = io.WriteString(conn, head)
		for err == nil && sent.Load() < 10*most {
			_, err = conn.Write(part)
			sent.Add(int64(len(part)))
			if once {
				return
			}
		}
	}
}

// memory bounds, in KiB, what the program may hold at any time: what the unit has.
const memory = 128 << 10
