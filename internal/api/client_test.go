package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

func wantFault(t *testing.T, err error, is error, reason fault.Reason, parts ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != reason || is != nil && !errors.Is(err, is) {
		t.Fatalf("got %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error()+"\n"+f.Hint, part) {
			t.Errorf("%q is not in %q, hint %q", part, err, f.Hint)
		}
	}
	if strings.Contains(err.Error()+f.Hint, "canary") {
		t.Errorf("the error has the password: %v", err)
	}
}

func TestTheClientGetsWhatTheServerHas(t *testing.T) {
	b := newBed(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b.report = status.Report{Version: "1.2.3", StartedAt: at, Registries: []status.Registry{{Host: goodHost, State: status.Fresh, ExpiresAt: &at}}}
	c := Dial([]string{filepath.Join(t.TempDir(), "absent"), b.socket})
	if r, err := c.Status(t.Context()); err != nil || r.Version != "1.2.3" || !r.StartedAt.Equal(at) || len(r.Registries) != 1 || !r.Registries[0].ExpiresAt.Equal(at) {
		t.Errorf("got %+v, %v", r, err)
	}
	l, err := c.Credential(t.Context(), goodHost, 0)
	if err != nil || l.Host != goodHost || l.Username != "AWS" || l.Secret.Reveal() != canary || !l.ExpiresAt.Equal(ends) {
		t.Errorf("got %+v, %v", l, err)
	}
	_, err = c.Credential(t.Context(), foreignHost, 0)
	wantFault(t, err, ErrNotOurs, fault.Local, `"docker.io"`, "registries")
	_, err = c.Credential(t.Context(), brokenHost, 0)
	wantFault(t, err, nil, fault.Denied, "get authorization token", "allow ecr:")
	_, err = c.Credential(t.Context(), "../status", 0)
	wantFault(t, err, nil, fault.Invalid)
	go func() {
		<-b.waiting
		b.arrival <- struct{}{}
	}()
	if _, err := c.Credential(t.Context(), brokenHost, 1500*time.Millisecond); err != nil {
		t.Errorf("got %v", err)
	}
	b.locked(func() {
		if got := b.waits[len(b.waits)-1]; got != 1500*time.Millisecond {
			t.Errorf("asked to wait %v", got)
		}
	})
}

func TestWithoutADaemonTheClientSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "stale")})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Dial([]string{filepath.Join(dir, "absent"), filepath.Join(dir, "stale")}).Status(t.Context())
	wantFault(t, err, ErrNoDaemon, fault.Local, "absent", "there is no such socket", "stale", "nobody listens", "systemctl start ecr-refreshd", "$ECR_REFRESHD_SOCKET")
	_, err = Dial(nil).Status(t.Context())
	wantFault(t, err, ErrNoDaemon, fault.Local)
	_, err = Dial([]string{filepath.Join(dir, strings.Repeat("a", 108))}).Status(t.Context())
	wantFault(t, err, ErrNoDaemon, fault.Local)
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Expires-At: 2031-02-03T04:05:06Z\r\n"
	tests := []struct {
		name, answer string
		reason       fault.Reason
	}{
		{"nothing", "", fault.Local},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", fault.Local},
		{"half an answer", head + "Content-Length: 1000\r\n\r\n{\"ServerURL\":\"canary", fault.Local},
		{"a page", strings.Replace(head, "application/json", "text/html", 1) + "Content-Length: 50\r\n\r\n" + `{"ServerURL":"h","Username":"u","Secret":"canary"}`, fault.Invalid},
		{"no JSON", head + "Content-Length: 7\r\n\r\ncanary{", fault.Invalid},
		{"another JSON", head + "Content-Length: 2\r\n\r\n{}", fault.Invalid},
		{"no end", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n" + `{"ServerURL":"h","Username":"u","Secret":"canary"}`, fault.Invalid},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", fault.Invalid},
		{"a long header", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 2*headerBytes), fault.Local},
		{"an error of another kind", "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer func() { _ = c.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, tt.answer)
				}
			}()
			_, err = Dial([]string{socket}).Credential(t.Context(), goodHost, 0)
			wantFault(t, err, nil, tt.reason)
			if errors.Is(err, ErrNoDaemon) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestADaemonThatIsSilentIsGivenUp(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Dial([]string{socket}).Status(ctx)
	wantFault(t, err, nil, fault.Local, "no answer in time")
}

// At the boot of a host hundreds of clients may come at once.
func TestAClientWaitsWhileTooManyOthersWaitToBeLetIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	waiting := 0
	for err == nil {
		var c net.Conn
		if c, err = net.Dial("unix", path); err == nil {
			waiting++
			defer func() { _ = c.Close() }()
		}
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { // long after the first try
		for range waiting {
			if c, _, err := unix.Accept(fd); err == nil {
				_ = unix.Close(c)
			}
		}
	})
	c, err := dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
