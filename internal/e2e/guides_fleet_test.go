package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// podGroup is the group of the DaemonSet and of pods that may ask it.
const podGroup = 47900

// TestRootWithoutCapabilities is the daemon as the guides have it in containers of a
// fleet: root, but with no capability, with a group of its own, and with directories
// of the host, one of them open as a tmpfs of Docker's is. It serves that group.
func TestRootWithoutCapabilities(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudFleet, 12*time.Second)
	host, root, member := s.cloud.hosts()[0], s.home(), s.bed.Account("guest")
	member.Groups = []int{podGroup}
	runtime, kept := s.openDir("run"), s.openDir("kept")
	must(t, os.Chmod(runtime, 0o777|os.ModeSticky))
	socket := filepath.Join(runtime, "ecr-refreshd.sock")
	d := s.bare().startDaemon(root, s.write(fmt.Sprintf("registries: [{host: %s}]\n"+
		"targets: [{type: docker-config, path: %s/config.json}]\n"+
		"socket: {path: %s, group: \"%d\"}\n", host, kept, socket, podGroup)+s.access(s.aws.Endpoint())))

	config := filepath.Join(kept, "config.json")
	s.awaitAccepted(config, host)
	s.awaitEnd(config, host)
	s.awaitAccepted(config, host)
	env := []string{"ECR_REFRESHD_SOCKET=" + socket}
	if out, code := s.run(member, env, "", s.helperPath(), "list"); code != 0 || out != fmt.Sprintf("{%q:%q}\n", host, "AWS") {
		t.Errorf("a member of the group: exit code %d: %s", code, out)
	}
	member.Groups = nil
	if out, code := s.run(member, env, "", s.helperPath(), "list"); code == 0 {
		t.Errorf("without the group: %s", out)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

// bare is the scene with a daemon that has no capabilities and the pods' group.
func (s *scene) bare() *scene {
	s.t.Helper()
	script := filepath.Join(s.t.TempDir(), "bare")
	must(s.t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\n"+
		"exec setpriv --regid %d --clear-groups --inh-caps -all --ambient-caps -all --bounding-set -all --no-new-privs %q \"$@\"\n", podGroup, s.binary), 0o700))
	m, bare := *s.machine, *s
	m.binary = script
	bare.machine = &m
	return &bare
}
