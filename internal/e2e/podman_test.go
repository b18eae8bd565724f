package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// TestPodmanAndSkopeoPullFromTheAuthFile has both pull as root, whose file is below /run and
// has no directory at first, and as another account without privileges; with a token and,
// when that one has expired, again with the next.
func TestPodmanAndSkopeoPullFromTheAuthFile(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudPodman, 12*time.Second)
	host := s.cloud.hosts()[0]
	root, runner := s.home(), s.bed.Account("runner")
	const rootsFile = "/run/containers/0/auth.json"
	helped := filepath.Join(t.TempDir(), "helped.json")
	readers := []struct {
		name string
		as   testbed.Account
		file string
		env  []string
	}{
		{"root", root, rootsFile, nil},
		{"an account", runner, filepath.Join(runner.Home, ".config/containers/auth.json"), nil},
		{"root with the helper", root, helped, []string{"REGISTRY_AUTH_FILE=" + helped}},
	}
	d := s.startDaemon(root, s.write(s.config("targets:\n  - {type: containers-auth, user: root}\n"+
		"  - {type: containers-auth, user: runner}\n  - {type: containers-auth, path: "+helped+", delivery: helper}\n")))
	clients := []client{
		{
			name: "podman", program: "podman", remedy: "apt-get install podman", version: []string{"--version"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs", "pull", "--signature-policy", dir + "/policy.json", ref}}
			},
		},
		{
			name: "skopeo", program: "skopeo", remedy: "apt-get install skopeo", version: []string{"--version"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"inspect", "docker://" + ref}, {"--insecure-policy", "copy", "docker://" + ref, "dir:" + dir + "/image"}}
			},
		},
	}
	logins := func() (found []login) {
		for _, r := range readers[:2] {
			s.awaitAccepted(r.file, host)
			all, err := readLogins(r.file)
			must(t, err)
			found = append(found, all[host])
		}
		return found
	}
	// pull pulls an image that nobody has, in a directory of the account's own.
	pulls := 0
	none := filepath.Join(t.TempDir(), "none.json")
	must(t, os.WriteFile(none, []byte("{}"), 0o644))
	pull := func(s *scene, as testbed.Account, c client, env ...string) (out string, code int) {
		pulls++
		ref := s.push(host, fmt.Sprintf("%s-%d", c.name, pulls))
		dir := filepath.Join(s.bed.Dir, fmt.Sprintf("podman-%d", pulls)) // podman takes no long one
		must(s.t, os.Mkdir(dir, 0o700))
		must(s.t, os.WriteFile(filepath.Join(dir, "policy.json"), []byte(furniture(ref)["policy.json"]), 0o644))
		must(s.t, os.Chown(dir, as.UID, as.GID))
		c.env = env
		return s.runAll(as, s.engine, c, c.pull(ref, dir))
	}
	first := logins()
	for n := range 2 {
		for _, c := range clients {
			for _, r := range readers {
				t.Run(fmt.Sprintf("%s as %s, token %d", c.name, r.name, n+1), func(t *testing.T) {
					s := s.in(t)
					c.find(t)
					if n == 0 {
						out, _ := s.run(root, nil, "", c.program, c.version...)
						t.Logf("version: %s", firstLine(out))
						if out, code := pull(s, r.as, c, "REGISTRY_AUTH_FILE="+none, "HOME=/none"); code == 0 {
							t.Errorf("pulls without the file: %s", out)
						}
					}
					mark := len(s.aws.Calls())
					if out, code := pull(s, r.as, c, r.env...); code != 0 {
						t.Fatalf("pull: %s", out)
					}
					s.wantLoggedIn(mark, host)
				})
			}
		}
		if n > 0 {
			break
		}
		await(t, func() (bool, string) { // until what was there at first has expired
			for _, l := range first {
				if s.aws.Check(host, l.username, l.password) == nil {
					return false, "the end of a token"
				}
			}
			return true, ""
		})
		logins()
	}
	// As after a reboot, but under the daemon.
	for _, gone := range []string{"/run/containers", filepath.Dir(readers[1].file)} {
		must(t, os.RemoveAll(gone))
		if missing := awaitWithin(2*time.Second, func() (bool, string) {
			for _, r := range readers[:2] {
				if err := s.accepted(r.file, host); err != nil {
					return false, err.Error()
				}
			}
			return true, ""
		}); missing != "" {
			t.Errorf("2 s after %s was removed: %s", gone, missing)
		}
	}
	if content, err := os.ReadFile(helped); err != nil || strings.Contains(string(content), "auths") {
		t.Errorf("%s has %s, %v", helped, content, err)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
	for _, c := range s.aws.Calls() {
		if c.Status == http.StatusForbidden {
			t.Errorf("a client came with a token that had expired: %+v", c)
		}
	}
}
