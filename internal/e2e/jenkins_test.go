package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// usersTargets keeps the config.json of these accounts and nothing else.
func usersTargets(accounts ...string) string {
	var text strings.Builder
	text.WriteString("targets:\n")
	for _, name := range accounts {
		fmt.Fprintf(&text, "  - {type: docker-config, name: %s, user: %s}\n", name, name)
	}
	return text.String()
}

// TestJenkinsHost has a root daemon serve the accounts of others.
func TestJenkinsHost(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudJenkins, 12*time.Second)
	hosts := s.cloud.hosts()
	jenkins, ci, late := s.bed.Account("jenkins"), s.bed.Account("ci"), s.bed.Account("late")
	if err := os.RemoveAll(late.Home); err != nil {
		t.Fatal(err)
	}
	d := s.startDaemon(s.home(), s.write(s.config(usersTargets("jenkins", "ci", "late"))))
	var stops []func() []pull
	for i, a := range []testbed.Account{jenkins, ci} {
		defer s.spy(configOf(a))()
		s.awaitAccepted(configOf(a), hosts...)
		stops = append(stops, s.pulls(a, s.engine, s.push(hosts[i], a.Name), s.push(hosts[3-i], a.Name)))
	}

	missing := d.await("login not stored", `"target":"late"`)
	if missing.Hint == "" || !strings.Contains(missing.Error, late.Home) {
		t.Errorf("got %s; want a line with the missing home and a hint", missing.raw)
	}
	mark := d.log.mark()
	if err := s.bed.MakeHome(late); err != nil {
		t.Fatal(err)
	}
	s.awaitAccepted(configOf(late), hosts...)
	d.awaitAfter(mark, "login stored again", `"target":"late"`)
	if p := s.pull(late, s.engine, s.push(hosts[0], late.Name)); p.failed {
		t.Errorf("pull as %s: %s", late.Name, p.out)
	}

	<-time.After(2*s.life + s.life/2)
	for _, a := range []testbed.Account{jenkins, ci, late} {
		s.awaitAccepted(configOf(a), hosts...)
		wantOwned(t, configOf(a), a, 0o600)
		wantOwned(t, filepath.Dir(configOf(a)), a, 0o700|os.ModeDir)
	}
	for _, stop := range stops {
		s.noneFailed(stop(), nil)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

func wantOwned(t *testing.T, path string, a testbed.Account, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Error(err)
		return
	}
	owner := info.Sys().(*syscall.Stat_t)
	if int(owner.Uid) != a.UID || int(owner.Gid) != a.GID || info.Mode() != mode {
		t.Errorf("%s: owner %d:%d, mode %v; want %d:%d, %v", path, owner.Uid, owner.Gid, info.Mode(), a.UID, a.GID, mode)
	}
}
