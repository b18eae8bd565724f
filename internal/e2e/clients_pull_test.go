package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/testbed"
)

// TestRealClientsPullAndPushThroughTheHelper has every client that can push pull from one
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
	const tokens = 2
	for n := range tokens {
		for _, c := range clients() {
			if c.push == nil {
				continue
			}
			t.Run(fmt.Sprintf("%s, token %d", c.name, n+1), func(t *testing.T) {
				s := s.in(t)
				c.find(t)
				name := fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(c.name, " ", "-")), n)
				ref := s.publish(root, s.engine, c, trial{host: from, state: fmt.Sprint("token ", n)})
				if n == 0 {
					if out, code := s.runAll(stranger, s.engine, c, c.pull(ref, s.dirOf(stranger, ref))); code == 0 {
						t.Errorf("pulls without the helper: %s", out)
					}
				}
				dir := s.dirOf(root, ref)
				mark := len(s.aws.Calls())
				if out, code := s.runAll(root, s.engine, c, c.pull(ref, dir)); code != 0 {
					t.Fatalf("pull: %s", out)
				}
				s.wantLoggedIn(mark, from)
				mark = len(s.aws.Calls())
				if out, code := s.runAll(root, s.engine, c, c.push(ref, to+"/"+name+":pushed", dir)); code != 0 {
					t.Fatalf("push: %s", out)
				}
				s.wantLoggedIn(mark, to)
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
	if dir := filepath.Dir(path); !strings.HasPrefix(dir, "/usr/") {
		open, err := opened(dir)
		must(t, err)
		c.program = filepath.Join(open, filepath.Base(path))
	}
}

// opened shows a directory where every account may run what is in it: what make clients has
// built may be below a home of the machine outside.
func opened(dir string) (at string, err error) {
	openings.Lock()
	defer openings.Unlock()
	at, ok := openings.at[dir]
	if !ok {
		at = fmt.Sprintf("/run/clients%d", len(openings.at))
		if err = os.Mkdir(at, 0o755); err == nil {
			err = unix.Mount(dir, at, "", unix.MS_BIND, "")
		}
		openings.at[dir] = at
	}
	return at, err
}

var openings = struct {
	sync.Mutex
	at map[string]string
}{at: map[string]string{}}

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
