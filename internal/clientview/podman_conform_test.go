package clientview

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// registry asks for a login and notes which one came, by repository.
type registry struct {
	host   string
	ca     string // the file of its authority
	mu     sync.Mutex
	logins map[string]sent
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{logins: map[string]sent{}}
	server := httptest.NewUnstartedServer(r)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "https://")
	r.ca = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(r.ca, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	username, password, ok := q.BasicAuth()
	if name, _, found := strings.Cut(strings.TrimPrefix(q.URL.Path, "/v2/"), "/"); found {
		r.mu.Lock()
		r.logins[name] = sent{Username: username, Password: password}
		r.mu.Unlock()
	}
	if !ok {
		w.Header().Set("Www-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func (r *registry) login(repository string) sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	got, asked := r.logins[repository]
	if !asked {
		return sent{Failed: true}
	}
	return got
}

// expectedOfContainers is what the answer means for podman's family.
func (r row) expectedOfContainers(l Login, program State) []sent {
	entry := sent{Username: l.Username, Password: l.Secret.Reveal()}
	switch {
	case l.Helper != "" && program == Found && r.does(l.Helper) == answers:
		return []sent{{Username: "helper", Password: "from-" + l.Helper}}
	case l.Helper != "" && program == Found && r.does(l.Helper) == notFound && l.Behind == nil:
		return []sent{{}}
	case l.Helper != "" && program == Found && r.does(l.Helper) == notFound:
		return r.expectedOfContainers(*l.Behind, Found)
	case l.Helper != "":
		return []sent{{Failed: true}}
	case l.Chance:
		return []sent{entry, {Username: "AWS", Password: secrets["GOOD"]}, {Username: "AWS", Password: secrets["STALE"]}}
	case l.Fault != nil && strings.Contains(l.Fault.Op, "it is relative"):
		return []sent{{}, {Failed: true}} // there is nothing where it is started, which is the end to podman
	case l.Fault != nil && !l.NoLogin() && l.Username == "":
		return []sent{{Failed: true}}
	}
	return []sent{entry}
}

func TestSkopeoAgrees(t *testing.T) {
	containersAgree(t, Skopeo, 11, func(_, image string) []string {
		return []string{"inspect", "--tls-verify=false", "docker://" + image}
	})
}

func TestPodmanAgrees(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("without root, podman wants a user namespace of its own: run the test with sudo")
	}
	containersAgree(t, Podman, 4, func(dir, image string) []string {
		return []string{"--root", dir + "/root", "--runroot", dir + "/runroot", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs",
			"--events-backend", "none", "pull", "--quiet", "--tls-verify=false", image}
	})
}

// containersAgree has a program of podman's family ask for images. Before the minor version
// looksOn of the version that Debian 12 has, it looks on behind REGISTRY_AUTH_FILE.
func containersAgree(t *testing.T, client Client, looksOn int, ask func(dir, image string) []string) {
	program := need(t, string(client))
	major, minor := version(t, program)
	old := major < 4 && client == Podman || minor < looksOn && (major == 1 || client == Podman && major == 4)
	registry := newRegistry(t)
	for i, r := range slices.Concat(rows, containersRows) {
		if r.before > 0 || r.env[authVariable] != "" {
			continue // nothing to it
		}
		if old && (r.name == "REGISTRY_AUTH_FILE without the host" || r.name == "REGISTRY_AUTH_FILE is not there" && client == Skopeo) {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{registry.host, t.TempDir()}
			r.lay(t, s)
			a := r.eye(s).Look(client, s.host)
			repository := fmt.Sprintf("row-%d", i)
			dir, err := os.MkdirTemp("", "") // podman wants a short path
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			_, said, err := run(t, "", dir, r.environ(s), program, ask(dir, s.host+"/"+repository)...)
			if err == nil {
				t.Fatal("there is such an image")
			}
			if got := registry.login(repository); got.Failed && strings.Contains(said, s.host+"/v2/") {
				t.Fatalf("%s says %s", client, said)
			}
			r.agree(t, string(client), a, r.expectedOfContainers(a.Login, a.Program.State), registry.login(repository))
		})
	}
}

// buildah reads DOCKER_CONFIG before its own files, which skopeo does not. It tells the
// user name of the login that it found.
func TestBuildahAgrees(t *testing.T) {
	buildah := need(t, "buildah")
	entry := func(username string) string {
		return `{"auths": {"HOST": {"auth": "` + base64.StdEncoding.EncodeToString([]byte(username+":x")) + `"}}}`
	}
	files := map[string]string{run1: entry("first"), own: entry("second"), "d/config.json": entry("docker"), "mine": entry("mine")}
	for name, env := range map[string]map[string]string{
		"nothing set":                          nil,
		"DOCKER_CONFIG":                        {"DOCKER_CONFIG": "HOME/d"},
		"REGISTRY_AUTH_FILE and DOCKER_CONFIG": {"REGISTRY_AUTH_FILE": "HOME/mine", "DOCKER_CONFIG": "HOME/d"},
		"no XDG_RUNTIME_DIR":                   {"XDG_RUNTIME_DIR": "HOME/none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := site{ecrHost, t.TempDir()}
			r := row{files: files, env: env}
			r.lay(t, s)
			a := r.eye(s).Look(Buildah, s.host)
			out, said, err := run(t, "", t.TempDir(), r.environ(s), buildah, "login", "--get-login", s.host)
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if got := strings.TrimSpace(out); got != a.Username {
				t.Errorf("buildah finds the login of %q, the eye that of %q, by %s", got, a.Username, a.Place)
			}
		})
	}
}
