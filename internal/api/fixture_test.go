package api

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/status"
	"ecr-refreshd/internal/testuser"
)

const (
	goodHost    = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	brokenHost  = "444455556666.dkr.ecr.us-east-1.amazonaws.com" // ours, without a token
	foreignHost = "docker.io"
	pathHealth  = "/healthz" // one that the server is given
	// canary is the password. No answer but the one that it is asked for may hold it.
	canary = "canary-8d2f-\"quoted\"-<angled>"
)

var ends = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)

// fakeBackend is a Backend with a good host and a broken one.
type fakeBackend struct {
	directory *peerauth.Directory
	secret    login.Secret
	users     []string // who may have the good host's login besides root
	// arrival, when not nil, is when a token for the broken host is there.
	arrival chan struct{}
	waiting chan struct{} // hears of each request that waits

	mu      sync.Mutex
	report  status.Report
	rows    []status.Registry // of a refresh
	asked   int               // for the status
	waits   []time.Duration   // that were asked for
	who     peerauth.Peer     // who asked last
	explode bool              // panic with the password
}

func (b *fakeBackend) rule() *peerauth.Rule { return b.directory.Rule(b.users, nil) }

func (b *fakeBackend) login(host string) login.Login {
	return login.Login{Host: host, Token: login.Token{Username: "AWS", Secret: b.secret, ExpiresAt: ends}}
}

func (b *fakeBackend) Credential(ctx context.Context, host string, who peerauth.Peer, wait time.Duration) (login.Login, error) {
	b.mu.Lock()
	b.waits, b.who = append(b.waits, wait), who
	explode := b.explode
	b.mu.Unlock()
	if explode {
		panic(canary)
	}
	if host != goodHost && host != brokenHost {
		return login.Login{}, ErrNotOurs
	}
	if r := b.rule(); !r.Allows(ctx, who) {
		return login.Login{}, r.Refuse(ctx, host, who)
	}
	if host == brokenHost {
		if wait > 0 {
			b.waiting <- struct{}{}
			select {
			case <-b.arrival:
				return b.login(host), nil
			case <-ctx.Done():
				return login.Login{}, ctx.Err()
			case <-time.After(wait):
			}
		}
		return login.Login{}, &fault.Error{Reason: fault.Denied, Op: "get authorization token",
			Err: io.ErrUnexpectedEOF, Hint: "allow ecr:GetAuthorizationToken\nto the role"}
	}
	return b.login(host), nil
}

func (b *fakeBackend) Credentials(ctx context.Context, who peerauth.Peer, _ time.Duration) map[string]string {
	if !b.rule().Allows(ctx, who) {
		return nil
	}
	return map[string]string{goodHost: "AWS"}
}

func (b *fakeBackend) Status() status.Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	return b.report
}

func (b *fakeBackend) Refresh(_ context.Context, host string) ([]status.Registry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if host != "" && host != goodHost {
		return nil, ErrNotOurs
	}
	return b.rows, nil
}

// locked changes the backend while the server runs.
func (b *fakeBackend) locked(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// bed is a server that runs on a socket which everybody may connect to.
type bed struct {
	*fakeBackend
	socket string
	logs   *observer.ObservedLogs
	counts chan int // the answers to requests for a login
	stop   func()   // ends the server and waits for it
}

// newBed starts a server. Other users than this one may have the logins when
// users names them.
func newBed(t testing.TB, users ...string) *bed {
	t.Helper()
	d := peerauth.NewDirectory()
	core, logs := observer.New(zapcore.DebugLevel)
	b := &bed{fakeBackend: &fakeBackend{directory: d, secret: login.NewSecret(canary), users: users, arrival: make(chan struct{}),
		waiting: make(chan struct{}, 100)},
		socket: filepath.Join(testuser.Dir(t, 0o755), "s"), logs: logs, counts: make(chan int, 10000)}
	l, err := Listen(t.Context(), b.socket, "", 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	server := New(Options{Backend: b.fakeBackend, Directory: d, Logger: zap.New(core),
		Watching: map[string]http.Handler{pathHealth: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			_, _ = io.WriteString(w, "ok\n")
		})},
		Answered: func(code int) {
			select {
			case b.counts <- code:
			default:
			}
		}})
	go func() { served <- server.Serve(ctx, l) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

func connect(t testing.TB, socket string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	// No test is about this: an answer that never comes is to fail it, not to hang it.
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// got is an answer as the test sees it.
type got struct {
	code   int
	header http.Header
	body   string
}

// ask makes one request as curl would.
func (b *bed) ask(t testing.TB, method, path string, header map[string]string) got {
	t.Helper()
	var text strings.Builder
	text.WriteString(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n")
	for name := range maps.Keys(header) {
		text.WriteString(name + ": " + header[name] + "\r\n")
	}
	c := connect(t, b.socket)
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, text.String()+"\r\n"); err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, bufio.NewReader(c), method)
}

func readAnswer(t testing.TB, from *bufio.Reader, method string) got {
	t.Helper()
	r, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got{r.StatusCode, r.Header, string(body)}
}

// wantNoSecret fails when the password stands in the logs.
func (b *bed) wantNoSecret(t *testing.T) {
	t.Helper()
	for _, e := range b.logs.All() {
		line, err := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()).EncodeEntry(e.Entry, e.Context)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line.String(), "canary") {
			t.Errorf("a log line has the password: %s", line)
		}
	}
}
