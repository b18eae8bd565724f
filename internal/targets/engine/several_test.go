package engine

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

type tokens struct{}

func (tokens) Fetch(context.Context) (login.Token, error) {
	return login.Token{Username: "AWS", Secret: login.NewSecret(password), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(12 * time.Hour)}, nil
}

type stored chan string

func (s stored) Observe(e renew.Event) {
	if e.Kind == renew.Stored {
		s <- e.Target
	}
}

// One engine is not there, another one accepts connections and says nothing. Each is
// tried again on its own, and found once it is there.
func TestAnEngineThatIsAwayDelaysNoOther(t *testing.T) {
	away, silent, near := socketPath(t), socketPath(t), socketPath(t)
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, near, &fakeEngine{version: "1.41"})
	var bindings []renew.Binding
	for name, socket := range map[string]string{"away": away, "silent": silent, "near": near} {
		bindings = append(bindings, renew.Binding{Name: name, Hosts: manyHosts(1), Target: New(Options{Host: "unix://" + socket, Timeout: time.Second})})
	}
	events := make(stored, 100)
	r := renew.New(renew.Config{Hosts: manyHosts(1), Source: tokens{}, Bindings: bindings, Observer: events,
		Policy: renew.Policy{At: 0.5, Initial: time.Second, Max: time.Second}, FetchLimit: time.Second})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.Run(ctx) }()
	defer func() { stop(); <-ended }()
	wait := func(want string) {
		t.Helper()
		select {
		case got := <-events:
			if got != want {
				t.Fatalf("%s is logged in, want %s", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s is not logged in", want)
		}
	}
	wait("near")
	serve(t, away, &fakeEngine{version: "1.41"})
	wait("away")
	if err := l.Close(); err != nil { // which removes the socket
		t.Fatal(err)
	}
	serve(t, silent, &fakeEngine{version: "1.51"})
	wait("silent")
}

// The socket of a rootless engine lies where only its account may go, and root.
func TestRootReachesTheRootlessEngineOfAnAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	socket := socketPath(t)
	serve(t, socket, &fakeEngine{version: "1.41"})
	for _, path := range []string{socket, filepath.Dir(socket)} {
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 54321, 54321); err != nil {
			t.Fatal(err)
		}
	}
	if err := newTarget(Options{Host: "unix://" + socket}).Store(t.Context(), loginsFor(manyHosts(1)...)); err != nil {
		t.Error(err)
	}
}
