package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// TestRealClientsPullAndPushThroughTheHelper has every client pull from one
// account and region and push to another, with a token and, when that one has
// expired, again with the next. Each pull is of an image that nobody has.
func TestRealClientsPullAndPushThroughTheHelper(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudClients, 12*time.Second)
	hosts := s.cloud.hosts()
	from, to := hosts[0], hosts[3]
	root, stranger := s.home(), s.home()
	d := s.startDaemon(root, s.write(s.config(helperTarget)))
	s.awaitHelper(root, hosts...)
	// BuildKit learns the authorities of registries when the engine starts.
	engine, err := s.bed.StartEngine(t.Context())
	must(t, err)
	defer func() { must(t, engine.Remove()) }()
	version, _ := s.run(root, s.engineEnv(engine), "", s.docker, "version", "--format", "{{.Server.Version}}")
	t.Logf("engine: %s", firstLine(version))

	const tokens = 2
	for n := range tokens {
		for _, c := range clients() {
			t.Run(fmt.Sprintf("%s, token %d", c.name, n+1), func(t *testing.T) {
				s := s.in(t)
				c.find(t)
				name := fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(c.name, " ", "-")), n)
				ref := s.push(from, name)
				if n == 0 {
					out, _ := s.run(root, nil, "", c.program, c.version...)
					t.Logf("version: %s", firstLine(out))
					if out, code := s.runAll(stranger, engine, c, c.pull(ref, s.clientDir(ref))); code == 0 {
						t.Errorf("pulls without the helper: %s", out)
					}
				}
				dir := s.clientDir(ref)
				mark := len(s.aws.Calls())
				start := time.Now()
				if out, code := s.runAll(root, engine, c, c.pull(ref, dir)); code != 0 {
					t.Fatalf("pull: %s", out)
				}
				s.wantLoggedIn(mark, from)
				t.Logf("pull took %s", time.Since(start).Round(time.Millisecond))
				if c.push != nil {
					mark := len(s.aws.Calls())
					if out, code := s.runAll(root, engine, c, c.push(ref, to+"/"+name+":pushed", dir)); code != 0 {
						t.Fatalf("push: %s", out)
					}
					s.wantLoggedIn(mark, to)
				}
				s.wantOnlyHelpers(configOf(root))
			})
		}
		if n+1 < tokens {
			s.awaitNextTokens(root, from, to)
		}
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

// find makes program a path, or ends the test where there is none.
func (c *client) find(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath(c.program)
	if err != nil {
		lacks(t, &testbed.LackError{What: c.program, Remedy: c.remedy})
	}
	c.program = path
}

// clientDir is a directory with what clients find in it for ref.
func (s *scene) clientDir(ref string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	for name, content := range furniture(ref) {
		must(s.t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return dir
}

// runAll runs the commands up to the first that fails.
func (s *scene) runAll(as testbed.Account, engine *testbed.Engine, c client, commands [][]string) (out string, code int) {
	s.t.Helper()
	for _, args := range commands {
		if out, code = s.run(as, append(s.clientEnv(engine), c.env...), "", c.program, args...); code != 0 {
			break
		}
	}
	return out, code
}

// wantLoggedIn checks what the registry has answered since mark: it lets nobody
// in without a token that is valid at the moment.
func (s *scene) wantLoggedIn(mark int, host string) {
	s.t.Helper()
	good, refused := 0, 0
	for _, c := range s.aws.Calls()[mark:] {
		switch {
		case c.Host != host:
		case c.Status < http.StatusMultipleChoices:
			good++
		case c.Status == http.StatusForbidden || c.Status == http.StatusBadRequest:
			refused++
		}
	}
	if good == 0 || refused > 0 {
		s.t.Errorf("%s has answered %d requests well and refused the login of %d; want some and none", host, good, refused)
	}
}
