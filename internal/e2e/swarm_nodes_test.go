package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/testbed"
)

// swarmNode is a manager of a swarm.
type swarmNode struct {
	*scene
	engine *testbed.Engine
	id     string
}

type swarm struct{ nodes []*swarmNode }

// newSwarm makes managers of the nodes; the first one leads.
func (s *scene) newSwarm(nodes []*testbed.Node) *swarm {
	s.t.Helper()
	c := new(swarm)
	for i, n := range nodes {
		node := &swarmNode{scene: s, engine: n.Engine}
		c.nodes = append(c.nodes, node)
		s.t.Cleanup(func() {
			if s.t.Failed() {
				s.t.Logf("log of node %d:\n%s", i+1, n.Log())
			}
			must(s.t, n.Remove())
		})
		if i == 0 {
			node.docker("swarm", "init", "--advertise-addr", n.Addr)
		} else {
			node.docker("swarm", "join", "--advertise-addr", n.Addr, "--token",
				c.nodes[0].docker("swarm", "join-token", "--quiet", "manager"), nodes[0].Addr+":2377")
		}
		node.id = node.docker("info", "--format", "{{.Swarm.NodeID}}")
	}
	return c
}

// docker runs a command of the node's engine, which must succeed.
func (n *swarmNode) docker(args ...string) string {
	n.t.Helper()
	out, code := n.run(n.bed.Root(), n.engineEnv(n.engine), "", n.scene.docker, args...)
	if code != 0 {
		n.t.Fatalf("docker %s: %s", strings.Join(args, " "), out)
	}
	return strings.TrimSpace(out)
}

// availability sets that of the node, by way of itself.
func (n *swarmNode) availability(to string) {
	n.t.Helper()
	n.docker("node", "update", "--availability", to, n.id)
}

// call makes a request of the Engine API.
func (n *swarmNode) call(method, path string, header http.Header, body, answer any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", n.engine.Socket)
	}}
	defer transport.CloseIdleConnections()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header = header
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		said, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, said)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func (n *swarmNode) get(path string, answer any) {
	n.t.Helper()
	if err := n.call(http.MethodGet, path, http.Header{}, nil, answer); err != nil {
		n.t.Fatal(err)
	}
}

// dockerode is where `make clients` puts the library, where there is npm.
var dockerode = filepath.Join("..", "..", "bin", "clients", "node_modules")

// create creates a service of two tasks as Dokploy does: by dockerode's createService with an
// authconfig where the library is there, otherwise by the same request.
func (n *swarmNode) create(name, image, password string, labels map[string]string) {
	n.t.Helper()
	service := map[string]any{
		"Name": name, "Labels": labels,
		"TaskTemplate": map[string]any{
			"ContainerSpec": map[string]any{"Image": image},
			"Networks":      []map[string]string{{"Target": "host"}},
			"RestartPolicy": map[string]any{"Condition": "any", "Delay": int64(time.Second)},
		},
		"Mode": map[string]any{"Replicated": map[string]int{"Replicas": 2}},
	}
	host, _, _ := strings.Cut(image, "/")
	auth := map[string]string{"username": "AWS", "password": password, "serveraddress": host}
	modules, err := filepath.Abs(dockerode)
	must(n.t, err)
	node, noNode := exec.LookPath("node")
	if _, missing := os.Stat(filepath.Join(modules, "dockerode")); noNode == nil && missing == nil {
		if password != "" {
			service["authconfig"] = auth
		}
		text, err := json.Marshal(service)
		must(n.t, err)
		script, err := filepath.Abs(filepath.Join("testdata", "create-service.js"))
		must(n.t, err)
		if out, code := n.run(n.bed.Root(), []string{"NODE_PATH=" + modules}, string(text), node, script, n.engine.Socket); code != 0 {
			n.t.Fatalf("dockerode: %s", out)
		}
		return
	}
	n.t.Log("dockerode is not there (npm; make clients): the request that it would make")
	header := http.Header{"Content-Type": {"application/json"}}
	if password != "" {
		text, err := json.Marshal(auth)
		must(n.t, err)
		header.Set("X-Registry-Auth", base64.URLEncoding.EncodeToString(text))
	}
	must(n.t, n.call(http.MethodPost, "/services/create", header, service, new(any)))
}

type swarmService struct {
	Version      struct{ Index uint64 }
	UpdateStatus struct{ State string }
	JobStatus    struct{ JobIteration struct{ Index uint64 } }
	Spec         struct {
		TaskTemplate struct{ ContainerSpec struct{ Image string } }
	}
}

func (n *swarmNode) service(name string) (s swarmService) {
	n.t.Helper()
	n.get("/services/"+name, &s)
	return s
}

func (n *swarmNode) version(name string) uint64 { n.t.Helper(); return n.service(name).Version.Index }

func (n *swarmNode) image(name string) string {
	n.t.Helper()
	return n.service(name).Spec.TaskTemplate.ContainerSpec.Image
}

// leads is false, too, where the node does not answer or has no leader.
func (n *swarmNode) leads() bool {
	var node struct{ ManagerStatus struct{ Leader bool } }
	return n.call(http.MethodGet, "/nodes/"+n.id, http.Header{}, nil, &node) == nil && node.ManagerStatus.Leader
}

type swarmTask struct {
	NodeID, DesiredState string
	Status               struct {
		State, Err      string
		ContainerStatus struct{ ContainerID string }
	}
}

func (n *swarmNode) tasks(service string) (tasks []swarmTask) {
	n.t.Helper()
	n.get("/tasks?filters="+url.QueryEscape(`{"service":["`+service+`"]}`), &tasks)
	return tasks
}

// running are the tasks that run and are to.
func (n *swarmNode) running(service string) []swarmTask {
	n.t.Helper()
	return slices.DeleteFunc(n.tasks(service), func(t swarmTask) bool { return t.Status.State != "running" || t.DesiredState != "running" })
}

// containers are those of the tasks that run.
func (n *swarmNode) containers(service string) (ids []string) {
	n.t.Helper()
	for _, t := range n.running(service) {
		ids = append(ids, t.Status.ContainerStatus.ContainerID)
	}
	slices.Sort(ids)
	return ids
}

// awaitRunning waits until a task runs on each of these nodes.
func (n *swarmNode) awaitRunning(service string, on ...string) {
	n.t.Helper()
	slices.Sort(on)
	await(n.t, func() (bool, string) {
		var have []string
		for _, t := range n.running(service) {
			have = append(have, t.NodeID)
		}
		slices.Sort(have)
		return slices.Equal(have, on), fmt.Sprintf("service %s on %q; it is on %q: %+v", service, on, have, n.tasks(service))
	})
}

// updates counts the updates of a service since then. The engine adds one of its own right after
// the creation.
func (n *swarmNode) updates(service string, since time.Time) (count int) {
	n.t.Helper()
	for _, e := range strings.Split(n.docker("events", "--since", since.Format(time.RFC3339Nano), "--until", time.Now().Add(time.Second).Format(time.RFC3339Nano),
		"--filter", "type=service", "--format", "{{.Action}} {{.Actor.Attributes.name}}"), "\n") {
		if e == "update "+service {
			count++
		}
	}
	return count
}
