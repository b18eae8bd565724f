package swarm

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/targets/engine"

	"github.com/docker/docker/api/types/registry"
)

const (
	host  = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	other = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
)

// fakeService is one as a manager stores it.
type fakeService struct {
	spec, previous string // JSON
	version        uint64
	updated        time.Time
	progress       string
	task           string   // the state of its task
	auth           []string // the passwords of all updates that brought one
}

// fakeSwarm is the part of the Engine API that this package uses, of one manager.
type fakeSwarm struct {
	mu       sync.Mutex
	state    string // of the node
	worker   bool
	follower bool // a manager that does not lead
	version  uint64
	services map[string]*fakeService
	before   func(r *http.Request)               // runs before a request is looked at, without the lock
	after    func(r *http.Request)               // runs after an answer, without the lock
	refuse   func(r *http.Request) (int, string) // an answer instead
	requests []string
	events   []chan string
}

// isUpdate reports whether a request updates a service.
func isUpdate(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/update") }

// once is a hook for the first request of which is is true.
func once(is func(*http.Request) bool, do func()) func(*http.Request) {
	var first sync.Once
	return func(r *http.Request) {
		if is(r) {
			first.Do(do)
		}
	}
}

func newSwarm() *fakeSwarm {
	return &fakeSwarm{state: "active", version: 100, services: map[string]*fakeService{}}
}

// specOf has fields that no client knows, in an order of its own.
func specOf(name, image, mode string) string {
	return fmt.Sprintf(`{"Name":%q,"Future":{"b":1,"a":[1.50,9007199254740993]},"Labels":{"x":"y"},`+
		`"TaskTemplate":{"ContainerSpec":{"Image":%q,"Isolation":"default"},"ForceUpdate":3},"Mode":{%q:{}}}`, name, image, mode)
}

// add creates a service as of an hour ago.
func (f *fakeSwarm) add(name, image string) *fakeService {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	s := &fakeService{spec: specOf(name, image, "Replicated"), version: f.version, updated: time.Now().Add(-2 * time.Hour)}
	f.services["id-"+name] = s
	f.tell("create")
	return s
}

// change does something to a service, as another client or the manager does.
func (f *fakeSwarm) change(name string, do func(*fakeService)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.services["id-"+name]
	do(s)
	f.version++
	s.version = f.version
	f.tell("update")
}

// deploy is an update of somebody else.
func (f *fakeSwarm) deploy(name, image string, ago time.Duration, progress string) {
	f.change(name, func(s *fakeService) {
		s.previous, s.spec, s.progress, s.updated = s.spec, specOf(name, image, "Replicated"), progress, time.Now().Add(-ago)
	})
}

func (f *fakeSwarm) tell(action string) {
	for _, e := range f.events {
		e <- `{"Type":"service","Action":"` + action + `"}`
	}
}

// passwords are those that a service was updated with.
func (f *fakeSwarm) passwords(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.services["id-"+name].auth...)
}

func (f *fakeSwarm) set(do func(*fakeSwarm)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}

func (s *fakeService) json(id string) string {
	previous := ""
	if s.previous != "" {
		previous = `,"PreviousSpec":` + s.previous
	}
	status := ""
	if s.progress != "" {
		status = `,"UpdateStatus":{"State":"` + s.progress + `"}`
	}
	return fmt.Sprintf(`{"ID":%q,"Version":{"Index":%d},"CreatedAt":"2026-01-02T03:04:05Z","UpdatedAt":%q,"Spec":%s%s%s}`,
		id, s.version, s.updated.UTC().Format(time.RFC3339Nano), s.spec, previous, status)
}

func (f *fakeSwarm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fail := func(status int, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": text})
	}
	if f.before != nil {
		f.before(r)
	}
	if f.after != nil {
		defer f.after(r)
	}
	f.mu.Lock()
	if r.URL.Path == "/events" {
		mine := make(chan string, 100)
		f.events = append(f.events, mine)
		f.mu.Unlock()
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case e, more := <-mine:
				if !more {
					return
				}
				_, _ = io.WriteString(w, e)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	defer f.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/_ping") {
		return
	}
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	if f.refuse != nil {
		if status, text := f.refuse(r); status != 0 {
			fail(status, text)
			return
		}
	}
	switch part := strings.Split(r.URL.Path, "/"); {
	case r.URL.Path == "/info":
		_, _ = fmt.Fprintf(w, `{"Swarm":{"NodeID":"self","LocalNodeState":%q,"ControlAvailable":%t,"Error":"no address"}}`,
			f.state, f.state == "active" && !f.worker)
	case f.state != "active" || f.worker:
		fail(http.StatusServiceUnavailable, `This node is not a swarm manager. Use "docker swarm init".`)
	case r.URL.Path == "/nodes/self":
		_, _ = fmt.Fprintf(w, `{"ManagerStatus":{"Leader":%t}}`, !f.follower)
	case r.URL.Path == "/services":
		var all []string
		for id, s := range f.services {
			if !strings.Contains(r.URL.RawQuery, "update%3Dtrue") || strings.Contains(s.spec, `"ecr-refreshd.update":"true"`) {
				all = append(all, s.json(id))
			}
		}
		_, _ = io.WriteString(w, "["+strings.Join(all, ",")+"]\n")
	case r.URL.Path == "/tasks":
		var filters struct{ Service []string }
		_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
		_, _ = fmt.Fprintf(w, `[{"Status":{"State":"running"}},{"Status":{"State":%q}}]`, f.services[filters.Service[0]].task)
	case f.services[part[2]] == nil:
		fail(http.StatusNotFound, "service "+part[2]+" not found")
	case r.Method == http.MethodPost:
		f.update(w, r, f.services[part[2]], fail)
	default:
		_, _ = io.WriteString(w, f.services[part[2]].json(part[2]))
	}
}

func (f *fakeSwarm) update(w http.ResponseWriter, r *http.Request, s *fakeService, fail func(int, string)) {
	if r.URL.Query().Get("version") != strconv.FormatUint(s.version, 10) {
		fail(http.StatusInternalServerError, "rpc error: code = Unknown desc = update out of sequence")
		return
	}
	body, _ := io.ReadAll(r.Body)
	text, err := base64.URLEncoding.DecodeString(r.Header.Get(registry.AuthHeader))
	var auth registry.AuthConfig
	if err != nil || json.Unmarshal(text, &auth) != nil || auth.Username != "AWS" || !bytes.Contains(body, []byte(auth.ServerAddress+"/")) {
		fail(http.StatusBadRequest, "no good X-Registry-Auth")
		return
	}
	f.version++
	s.previous, s.spec, s.version, s.updated, s.progress = s.spec, string(body), f.version, time.Now(), ""
	s.auth = append(s.auth, auth.Password)
	f.tell("update")
	_, _ = io.WriteString(w, `{"Warnings":null}`)
}

// start serves the swarm and returns a target for it.
func start(t *testing.T, f http.Handler) (*Target, *httptest.Server) {
	t.Helper()
	socket := socketPath(t)
	return newTarget(settings{Engine: engine.Options{Host: "unix://" + socket}}), serve(t, f, socket)
}

func serve(t *testing.T, f http.Handler, socket string) *httptest.Server {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(f)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// socketPath is short enough for a socket, which t.TempDir is not always.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "swarm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "d.sock")
}

// loginsWith are for the hosts, with a token of twelve hours that is an hour old.
func loginsWith(password string, hosts ...string) []login.Login {
	token := login.Token{Username: "AWS", Secret: login.NewSecret(password),
		ObtainedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(11 * time.Hour)}
	var all []login.Login
	for _, h := range hosts {
		all = append(all, token.For(h))
	}
	return all
}
