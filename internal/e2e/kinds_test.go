package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

// reading is what one of the places of a test holds, by host.
type reading func() (map[string]login, error)

// passwordFile reads the file that each host has: dir/prefix-HOST.
func passwordFile(dir string, hosts ...string) reading {
	return func() (map[string]login, error) {
		found := map[string]login{}
		for _, h := range hosts {
			content, err := os.ReadFile(filepath.Join(dir, "pw-"+h))
			if err != nil {
				return found, err
			}
			found[h] = login{"AWS", string(content)}
		}
		return found, nil
	}
}

// hookInput reads what a hook has got.
func hookInput(path string) reading {
	return func() (map[string]login, error) {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var in struct {
			Logins []struct{ Host, Username, Password string }
		}
		found := map[string]login{}
		err = json.Unmarshal(content, &in)
		for _, l := range in.Logins {
			found[l.Host] = login{l.Username, l.Password}
		}
		return found, err
	}
}

// awaitLogins waits until every host has a login in the place that its registry takes, and returns
// the logins.
func (s *scene) awaitLogins(read reading, hosts ...string) map[string]login {
	s.t.Helper()
	var found map[string]login
	await(s.t, func() (bool, string) {
		var err error
		if found, err = read(); err != nil {
			return false, err.Error()
		}
		for _, l := range found {
			s.printed.password(l.username, l.password)
		}
		for _, h := range hosts {
			if err := s.aws.Check(h, found[h].username, found[h].password); err != nil {
				return false, err.Error()
			}
		}
		return true, ""
	})
	return found
}

// TestFilesAndHooksAcrossExpiries: what programs read from files, and what hooks get, is good all the
// time; a file that is deleted is back, and one with an expired password goes.
func TestFilesAndHooksAcrossExpiries(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudKinds, 0)
	s.aws.SetTokenLife(10 * time.Second) // there are no pulls that it would have to last for
	hosts, root, dir := s.cloud.hosts(), s.home(), s.openDir("kinds")
	guest := s.bed.Account("guest")
	must(t, os.WriteFile(filepath.Join(dir, "hook"), []byte("#!/bin/sh\nset -e\nid -un\ncat >"+guest.Home+"/in.part\nmv "+guest.Home+"/in.part "+guest.Home+"/in\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "hangs"), []byte("#!/bin/sh\ncat\nexec sleep 1000\n"), 0o755))
	d := s.startDaemon(root, s.write(s.config(fmt.Sprintf(`targets:
  - {type: exec, name: hangs, command: [%[1]s/hangs], timeout: 2s}
  - {type: password-file, name: files, path: "%[1]s/pw-{host}", owner: guest, mode: "0400"}
  - {type: password-file, name: secret, path: %[1]s/secret.json, format: dockerconfigjson, group: docker, mode: "0640"}
  - {type: exec, name: hook, command: [%[1]s/hook], user: guest}
`, dir))))
	places := map[string]reading{
		"password files": passwordFile(dir, hosts...),
		"a secret":       func() (map[string]login, error) { return readLogins(filepath.Join(dir, "secret.json")) },
		"a hook":         hookInput(filepath.Join(guest.Home, "in")),
	}
	last := map[string]map[string]login{}
	for range 3 { // tokens, each of another expiry
		for name, read := range places {
			await(t, func() (bool, string) {
				now := s.awaitLogins(read, hosts...)
				for _, h := range hosts {
					if now[h] == last[name][h] {
						return false, name + ": another password for " + h
					}
				}
				last[name] = now
				return true, ""
			})
		}
	}
	// What hangs is in nobody's way and is reported.
	failed := d.await("login not stored", `"target":"hangs"`, "it did not end in time and was killed")
	if !strings.Contains(failed.Hint, "timeout") || failed.Reason != "local" {
		t.Errorf("got %s", failed.raw)
	}
	for _, target := range []string{"files", "secret", "hook"} {
		if bad := d.log.find(0, "login not stored", `"target":"`+target+`"`); len(bad) > 0 {
			t.Errorf("%s", bad[0].raw)
		}
	}
	d.await("login stored", `"target":"hook"`, `"output":"guest"`)
	file, secret := filepath.Join(dir, "pw-"+hosts[0]), filepath.Join(dir, "secret.json")
	wantOwned(t, file, guest, 0o400)

	must(t, os.Remove(file))
	must(t, os.WriteFile(secret, []byte("{"), 0o640))
	s.awaitLogins(places["password files"], hosts...)
	s.awaitLogins(places["a secret"], hosts...)

	// AWS is gone for longer than a token lives.
	s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Status: 503})
	for _, path := range []string{file, secret} {
		await(t, func() (bool, string) {
			_, err := os.Stat(path)
			return os.IsNotExist(err), path + " is still there"
		})
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}
