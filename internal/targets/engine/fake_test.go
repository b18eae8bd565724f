package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/login"

	"github.com/docker/docker/api/types/registry"
)

// password is long and random as an ECR token is.
const password = "eyJwYXlsb2FkIjoiQ2FuYXJ5LTdmM2ExYzlkNWU4YjI0NjAiLCJ2ZXJzaW9uIjoiMiJ9"

func loginsFor(hosts ...string) []login.Login {
	logins := make([]login.Login, len(hosts))
	for i, h := range hosts {
		logins[i] = login.Token{Username: "AWS", Secret: login.NewSecret(password), ExpiresAt: time.Unix(1<<33, 0)}.For(h)
	}
	return logins
}

func manyHosts(n int) []string {
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", i)
	}
	return hosts
}

// fakeEngine is the part of the Engine API that this package uses.
type fakeEngine struct {
	version string // of the API
	// auth gives the engine's answer; a nil auth accepts everything.
	auth func(r *http.Request, a registry.AuthConfig) (status int, message string)

	mu    sync.Mutex
	paths []string
	seen  []registry.AuthConfig
}

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", f.version)
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/_ping") {
		return
	}
	var a registry.AuthConfig
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil || r.Method != http.MethodPost {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.paths, f.seen = append(f.paths, r.URL.Path), append(f.seen, a)
	f.mu.Unlock()
	status, message := http.StatusOK, ""
	if f.auth != nil {
		status, message = f.auth(r, a)
	}
	if status != http.StatusOK {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
		return
	}
	_, _ = w.Write([]byte(`{"Status":"Login Succeeded","IdentityToken":""}`))
}

func (f *fakeEngine) calls() ([]string, []registry.AuthConfig) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.paths...), append([]registry.AuthConfig(nil), f.seen...)
}

// serve listens at socket until the test ends or the returned server is closed.
func serve(t testing.TB, socket string, h http.Handler) *httptest.Server {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// socketPath is short enough for a socket, which t.TempDir is not always.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "docker.sock")
}

// target serves h and gives a Target for it that does not pause.
func target(t *testing.T, h http.Handler) *Target {
	t.Helper()
	socket := socketPath(t)
	serve(t, socket, h)
	return newTarget(Options{Host: "unix://" + socket})
}

// newTarget makes a target that asks a second time at once.
func newTarget(o Options) *Target {
	target := New(o)
	target.pause = 0
	return target
}

// quiet takes the complaints of a server whose clients are meant to fail.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
