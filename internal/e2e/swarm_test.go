package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// TestSwarmServicesOutliveTheirToken has three managers on hosts of their own and two services,
// of which only one has the label. Their token expires. Then a task of each moves to a node
// without the image, the leader is killed, and all tasks move once more.
func TestSwarmServicesOutliveTheirToken(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudSwarm, 45*time.Second)
	nodes, err := s.bed.StartNodes(t.Context(), 3)
	if errors.As(err, new(*testbed.LackError)) {
		lacks(t, err)
	}
	must(t, err)
	c := s.newSwarm(nodes)
	host := s.cloud.hosts()[0]
	token := s.write("registries: [{host: " + host + "}]\n" + s.access(s.aws.Endpoint()))
	first := s.token(s.bed.Root(), token, host)
	c.nodes[2].availability("drain")
	for _, name := range []string{"kept", "left"} {
		ref := host + "/swarm/" + name + ":latest"
		must(t, s.bed.PushProgram(t.Context(), s.aws, s.cloud.profile(), ref, filepath.Join(s.bin, "idle")))
		c.nodes[0].create(name, ref, first, map[string]string{"ecr-refreshd.update": fmt.Sprint(name == "kept")})
	}
	for _, name := range []string{"kept", "left"} {
		c.nodes[0].awaitRunning(name, c.nodes[0].id, c.nodes[1].id)
	}
	containers, created := c.nodes[0].containers("kept"), time.Now()

	var daemons []*daemon
	var configs []string
	for i, n := range c.nodes {
		configs = append(configs, s.write(fmt.Sprintf("registries: [{host: %s}]\ntargets: [{type: swarm, host: %q, services: labelled}]\n%ssocket: {path: %s}\n",
			host, n.engine.Host(), s.access(s.aws.Endpoint()), filepath.Join(s.bed.Dir, fmt.Sprintf("swarm-%d.sock", i)))))
		daemons = append(daemons, s.startDaemon(s.bed.Root(), configs[i]))
	}
	refresh := func(i int) {
		t.Helper()
		if out, code := s.run(s.bed.Root(), nil, "", s.binary, "refresh", "--config", configs[i]); code != 0 {
			t.Fatalf("ecr-refreshd refresh: %s", out)
		}
	}
	for range 20 {
		refresh(0)
	}
	if now := c.nodes[0].containers("kept"); !slices.Equal(now, containers) {
		t.Errorf("after 20 renewals the containers are %q, they were %q", now, containers)
	}
	// Each token of the leader's daemon is in the service once, and none of the others' is.
	await(t, func() (bool, string) {
		updates, tokens := c.nodes[0].updates("kept", created), len(daemons[0].log.find(0, "token renewed"))
		return updates == tokens && tokens > 20, fmt.Sprintf("%d updates with %d tokens", updates, tokens)
	})
	if n := c.nodes[0].updates("left", created); n != 0 {
		t.Errorf("the service without the label was updated %d times", n)
	}

	if missing := awaitWithin(s.life+patience, func() (bool, string) { return s.aws.Check(host, "AWS", first) != nil, "the end of the first token" }); missing != "" {
		t.Fatalf("waited in vain: %s", missing)
	}
	c.nodes[2].availability("active")
	c.nodes[1].availability("drain")
	c.nodes[0].awaitRunning("kept", c.nodes[0].id, c.nodes[2].id)
	await(t, func() (bool, string) {
		for _, task := range c.nodes[0].tasks("left") {
			if task.NodeID == c.nodes[2].id && task.Status.State == "running" {
				t.Fatal("the service that is not renewed runs on a node without the image")
			}
			if task.NodeID == c.nodes[2].id && task.Status.State == "rejected" && strings.Contains(task.Status.Err, "No such image") {
				return true, ""
			}
		}
		return false, "a rejected task of the service that is not renewed"
	})

	var tokens []int
	for _, d := range daemons {
		tokens = append(tokens, len(d.log.find(0, "token renewed")))
	}
	killed := time.Now()
	c.nodes[0].engine.Kill()
	daemons[0].kill()
	var leader int
	await(t, func() (bool, string) {
		leader = slices.IndexFunc(c.nodes, func(n *swarmNode) bool { return n != c.nodes[0] && n.leads() })
		return leader > 0, "another leader"
	})
	for range 2 {
		before := c.nodes[leader].version("kept")
		refresh(leader)
		if c.nodes[leader].version("kept") == before {
			t.Error("the new leader's daemon has not renewed the service")
		}
	}
	// Besides its new tokens it may put the one there that it had; on a slow machine the other
	// manager steps in with one of its own.
	most := 1
	for i := 1; i < len(daemons); i++ {
		most += len(daemons[i].log.find(0, "token renewed")) - tokens[i]
	}
	if updates := c.nodes[leader].updates("kept", killed); updates > most {
		t.Errorf("%d updates since the old leader's end, want at most %d", updates, most)
	}
	s.run(s.bed.Root(), s.engineEnv(c.nodes[1].engine), "", s.docker, "container", "prune", "--force")
	s.run(s.bed.Root(), s.engineEnv(c.nodes[1].engine), "", s.docker, "image", "prune", "--force", "--all")
	c.nodes[1].availability("active")
	c.nodes[2].availability("drain")
	c.nodes[1].awaitRunning("kept", c.nodes[1].id, c.nodes[1].id)
}

// TestWhatARenewalInASwarmLeavesAlone has tokens of twelve hours: a rollback to the version before,
// an update that has stopped, and a job, which every update would run again.
func TestWhatARenewalInASwarmLeavesAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudRollback, 12*time.Hour)
	engine, err := s.bed.StartEngine(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, engine.Remove()) })
	n := &swarmNode{scene: s, engine: engine}
	n.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
	host := s.cloud.hosts()[0]
	config := s.write("registries: [{host: " + host + "}]\ntargets: [{type: swarm, host: \"" + engine.Host() + "\"}]\n" + s.settings(s.aws.Endpoint()))
	d := s.startDaemon(s.bed.Root(), config)
	var refs []string
	for _, tag := range []string{"one", "two"} {
		ref := host + "/swarm/app:" + tag
		must(t, s.bed.PushProgram(t.Context(), s.aws, s.cloud.profile(), ref, filepath.Join(s.bin, "idle")))
		refs = append(refs, ref)
	}
	refresh := func() {
		t.Helper()
		s.run(s.bed.Root(), nil, "", s.binary, "refresh", "--config", config)
	}

	// Services that come later, without any login, get ours; a job does not.
	n.create("app", refs[0], "", nil)
	n.docker("service", "create", "--quiet", "--detach", "--no-resolve-image", "--name", "job", "--mode", "replicated-job", "--network", "host", refs[0])
	await(t, func() (bool, string) { return len(n.containers("app")) == 2, "the tasks" })
	running := time.Now()
	refresh()
	if updates, runs := n.updates("app", running), n.service("job").JobStatus.JobIteration.Index; updates != 1 || runs != 0 {
		t.Errorf("one renewal has updated the service %d times, and run the job %d times again", updates, runs)
	}

	n.docker("service", "update", "--quiet", "--no-resolve-image", "--update-monitor=1s", "--rollback-monitor=1s", "--image", refs[1], "app")
	containers := n.containers("app")
	refresh()
	if got := n.image("app"); got != refs[1] {
		t.Errorf("the service's image is %q", got)
	}
	if now := n.containers("app"); !slices.Equal(now, containers) {
		t.Errorf("a renewal after an update has restarted tasks")
	}
	n.docker("service", "rollback", "--quiet", "app")
	if got := n.image("app"); got != refs[0] {
		t.Errorf("after the rollback the service's image is %q", got)
	}

	n.docker("service", "update", "--quiet", "--detach", "--no-resolve-image", "--image", host+"/swarm/app:missing", "app")
	await(t, func() (bool, string) {
		return n.service("app").UpdateStatus.State == "paused", "an update that has stopped"
	})
	before := n.version("app")
	mark := d.log.mark()
	refresh()
	l := d.awaitAfter(mark, "login not stored")
	if !strings.Contains(l.Error, `"app"`) || !strings.Contains(l.Hint, "docker service rollback app") {
		t.Errorf("got %s", l.raw)
	}
	if n.version("app") != before {
		t.Error("the service was updated")
	}
	n.docker("service", "rollback", "--quiet", "app")
	d.awaitAfter(mark, "login stored again")
}
