package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

// trial is a pull in one of the states.
type trial struct {
	state string
	as    testbed.Account
	host  string
	want  bool // it succeeds
}

// TestEveryClientInEveryState has every client pull with a good token and with the one that
// was renewed after that had expired, as an account that may not have the login, from a
// registry that refuses it, and without a daemon. Only such pulls from our registries
// fail: a foreign registry, for which the helper is asked too, is open to every account
// all the time.
func TestEveryClientInEveryState(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudStates, 12*time.Second)
	ours := s.cloud.hosts()[0]
	root, stranger := s.home(), s.bed.Account("stranger")
	for _, a := range []testbed.Account{root, stranger} {
		s.writeConfigJSON(a, `{"credsStore": "`+helperName+`"}`)
	}
	d := s.startDaemon(root, s.write(fmt.Sprintf("registries: [{host: %s}, {host: %s}]\n", ours, s.cloud.closed)+
		strings.Replace(usersHelper(stranger.Name), "targets:\n", "targets:\n  - {type: docker-config, delivery: helper}\n", 1)+
		s.access(s.aws.Endpoint())+s.socketFor("users: [jenkins]")))
	s.awaitHelper(root, ours)
	s.awaitNamed(stranger, ours)
	// BuildKit learns the authorities of registries when the engine starts.
	engine, err := s.bed.StartEngine(t.Context())
	must(t, err)
	defer func() { must(t, engine.Remove()) }()

	phases := []struct {
		before func()
		trials []trial
	}{
		{func() {}, []trial{
			{"good token", root, ours, true},
			{"foreign host", root, s.cloud.foreign, true},
			{"not allowed", stranger, ours, false},
			{"foreign host, not allowed", stranger, s.cloud.foreign, true},
			{"refused", root, s.cloud.closed, false},
		}},
		{func() { s.awaitNextTokens(root, ours) }, []trial{{"renewed token", root, ours, true}}},
		{func() { d.stop() }, []trial{
			{"no daemon", root, ours, false},
			{"foreign host, no daemon", root, s.cloud.foreign, true},
		}},
	}
	var all []client
	refs := map[string]string{} // what each client pulls in a state
	table := matrix{cells: map[string]string{}}
	for _, c := range clients() {
		t.Run(c.name+"/publish", func(t *testing.T) {
			s := s.in(t)
			c.find(t)
			out, _ := s.runAll(root, engine, c, [][]string{c.version})
			table.clients = append(table.clients, c.name)
			table.set(c.name, "version", firstLine(out))
			for _, p := range phases {
				for _, try := range p.trials {
					if try.host != s.cloud.closed {
						refs[c.name+try.state] = s.publish(root, engine, c, try)
					} else {
						refs[c.name+try.state] = try.host + "/app:latest"
					}
				}
			}
			all = append(all, c)
		})
	}
	for _, p := range phases {
		p.before()
		for _, try := range p.trials {
			table.states = append(table.states, try.state)
			for _, c := range all {
				if try.as.UID != 0 && c.rootOnly {
					table.set(c.name, try.state, "")
					continue
				}
				t.Run(c.name+"/"+try.state, func(t *testing.T) {
					table.set(c.name, try.state, s.in(t).try(engine, c, try, refs[c.name+try.state]))
				})
			}
		}
	}
	version, _ := s.run(root, s.engineEnv(engine), "", s.docker, "version", "--format", "{{.Server.Version}}")
	t.Logf("engine %s\n%s", firstLine(version), table)
}

// try runs a client and says what came of it.
func (s *scene) try(engine *testbed.Engine, c client, try trial, ref string) (result string) {
	s.t.Helper()
	dir := s.dirOf(try.as, ref)
	mark := len(s.aws.Calls())
	out, code := s.runAll(try.as, engine, c, c.pull(ref, dir))
	served := slices.ContainsFunc(s.aws.Calls()[mark:], func(c emulator.Call) bool { return c.Host == try.host && c.Status < http.StatusMultipleChoices })
	switch {
	case try.want && (code != 0 || !served):
		s.t.Errorf("the pull ends with %d, and the registry has served it: %t: %s", code, served, out)
		return "FAILS"
	case try.want:
		return "pulls"
	case code == 0 || served:
		s.t.Errorf("the pull ends with %d, and the registry has served it: %t: %s", code, served, out)
		return "PULLS"
	}
	return "fails"
}

// publish puts what the client is to pull into the registry.
func (s *scene) publish(root testbed.Account, engine *testbed.Engine, c client, try trial) (ref string) {
	s.t.Helper()
	name := strings.NewReplacer(" ", "-", ",", "").Replace(strings.ToLower(c.name + "-" + try.state))
	if c.publish == nil {
		return s.push(try.host, name)
	}
	ref = try.host + "/" + name + ":latest"
	if out, code := s.runAll(root, engine, c, c.publish(ref, s.dirOf(root, ref))); code != 0 {
		s.t.Fatalf("publish %s: %s", ref, out)
	}
	return ref
}

// dirOf is a directory of the account with what clients find in it for ref.
func (s *scene) dirOf(as testbed.Account, ref string) string {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "c") // podman wants a short path
	must(s.t, err)
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(s.t, os.Chown(dir, as.UID, as.GID))
	for name, content := range furniture(ref) {
		must(s.t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return dir
}

// writeConfigJSON gives the account a config.json.
func (s *scene) writeConfigJSON(as testbed.Account, content string) {
	s.t.Helper()
	must(s.t, directory(as, filepath.Dir(configOf(as))))
	must(s.t, os.WriteFile(configOf(as), []byte(content), 0o600))
	must(s.t, os.Chown(configOf(as), as.UID, as.GID))
}

// matrix is the table of docs/clients.md.
type matrix struct {
	clients, states []string
	cells           map[string]string
}

func (m *matrix) set(client, column, text string) { m.cells[client+"|"+column] = text }

// String is the table in Markdown.
func (m matrix) String() string {
	columns := append([]string{"version"}, m.states...)
	var b strings.Builder
	fmt.Fprintf(&b, "| client | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, c := range m.clients {
		fmt.Fprintf(&b, "| %s |", c)
		for _, column := range columns {
			fmt.Fprintf(&b, " %s |", m.cells[c+"|"+column])
		}
		b.WriteString("\n")
	}
	return b.String()
}
