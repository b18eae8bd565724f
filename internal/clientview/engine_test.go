package clientview

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// engine stands in for the Docker Engine: it notes the login of every pull.
type engine struct {
	address string
	mu      sync.Mutex
	logins  map[string]sent // by repository
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{address: "unix://" + socket, logins: map[string]sent{}}
	server := &http.Server{Handler: e}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return e
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.44")
	w.Header().Set("Ostype", "linux")
	w.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(r.URL.Path, "/images/create") {
		_, _ = w.Write([]byte("{}"))
		return
	}
	var got sent
	content, err := base64.URLEncoding.DecodeString(r.Header.Get("X-Registry-Auth"))
	if err == nil && len(content) > 0 {
		err = json.Unmarshal(content, &got)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	e.logins[r.URL.Query().Get("fromImage")] = got
	e.mu.Unlock()
	_, _ = w.Write([]byte(`{"status": "done"}`))
}

func (e *engine) login(repository string) (got sent, asked bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	got, asked = e.logins[repository]
	return got, asked
}

// libraries are clients that are libraries: each says what it would send for an image.
// docker's remembers the directory of its configuration from the first time on.
var libraries = map[Client]func(image string) (sent, error){
	Docker: func(image string) (sent, error) {
		setDockerDir()
		host, _, _ := strings.Cut(image, "/")
		found, err := config.LoadDefaultConfigFile(os.Stderr).GetAuthConfig(host)
		return sent{Username: found.Username, Password: found.Password}, err
	},
	Crane: func(image string) (sent, error) {
		setDockerDir()
		repository, err := name.NewRepository(image)
		if err != nil {
			return sent{}, err
		}
		found, err := authn.DefaultKeychain.Resolve(repository)
		if err != nil {
			return sent{}, err
		}
		a, err := found.Authorization()
		if err != nil {
			return sent{}, err
		}
		return sent{Username: a.Username, Password: a.Password}, nil
	},
	ORAS: func(image string) (sent, error) {
		store, err := credentials.NewStoreFromDocker(orasOptions)
		if err != nil {
			return sent{}, err
		}
		return fromORAS(store, image)
	},
	// As helm's registry client puts its stores together.
	Helm: func(image string) (sent, error) {
		path := os.Getenv("HELM_REGISTRY_CONFIG")
		if path == "" {
			path = filepath.Join(os.Getenv("HOME"), ".config/helm/registry/config.json")
		}
		own, err := credentials.NewStore(path, orasOptions)
		if err != nil {
			return sent{}, err
		}
		docker, err := credentials.NewStoreFromDocker(orasOptions)
		if err != nil {
			return fromORAS(own, image)
		}
		return fromORAS(credentials.NewStoreWithFallbacks(own, docker), image)
	},
	// As notation puts its stores together.
	Notation: func(image string) (sent, error) {
		own, err := credentials.NewStore(filepath.Join(os.Getenv("HOME"), ".config/notation/config.json"), credentials.StoreOptions{})
		if err != nil {
			return sent{}, err
		}
		if own.IsAuthConfigured() {
			return fromORAS(own, image)
		}
		docker, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
		if err != nil {
			return sent{}, err
		}
		if native, there := credentials.NewDefaultNativeStore(); there && !docker.IsAuthConfigured() {
			return fromORAS(native, image)
		}
		return fromORAS(docker, image)
	},
}

func setDockerDir() {
	dir := os.Getenv(config.EnvOverrideConfigDir)
	if dir == "" {
		dir = filepath.Join(os.Getenv("HOME"), ".docker")
	}
	config.SetDir(dir)
}

var orasOptions = credentials.StoreOptions{AllowPlaintextPut: true, DetectDefaultNativeStore: true}

func fromORAS(store credentials.Store, image string) (sent, error) {
	host, _, _ := strings.Cut(image, "/")
	found, err := store.Get(context.Background(), host)
	return sent{Username: found.Username, Password: found.Password}, err
}
