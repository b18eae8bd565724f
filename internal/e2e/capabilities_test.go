package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoProgramGetsTheCapabilities: a service may have CAP_SETUID and CAP_SETGID to write in the
// homes of accounts. With them, whoever can have it start a program would be root.
func TestNoProgramGetsTheCapabilities(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudPrograms, time.Hour)
	ci := s.bed.Account("ci")
	dir := filepath.Join(ci.Home, "capabilities")
	must(t, os.Mkdir(dir, 0o755))
	program := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte("#!/bin/sh\ngrep -h 'Cap[EPA]' /proc/self/status >"+path+".caps\n"+text), 0o755))
		return path
	}
	key := s.cloud.principal()
	process := program("process", fmt.Sprintf(`echo '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}'`, key.AccessKeyID, key.SecretAccessKey))
	hook := program("hook", "cat >/dev/null\n")
	awsConfig, config := filepath.Join(dir, "aws"), filepath.Join(dir, "config.yaml")
	must(t, os.WriteFile(awsConfig, []byte("[profile p]\ncredential_process = "+process+"\n"), 0o644))
	must(t, os.WriteFile(config, fmt.Appendf(nil, "registries: [{host: %s}]\naws: {profile: p, endpoint_url: %q}\ntargets: [{type: exec, command: [%s]}]\n",
		s.cloud.hosts()[0], s.aws.Endpoint(), hook), 0o644))
	for _, path := range []string{dir, process, hook, awsConfig, config} {
		must(t, os.Chown(path, ci.UID, ci.GID))
	}
	cmd := s.bed.Command(t.Context(), ci, []string{"AWS_CONFIG_FILE=" + awsConfig, "STATE_DIRECTORY=" + dir}, s.binary, "once", "--config", config)
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, path := range []string{process, hook} {
		got, err := os.ReadFile(path + ".caps")
		must(t, err)
		if want := strings.ReplaceAll("CapPrm:\tX\nCapEff:\tX\nCapAmb:\tX\n", "X", "0000000000000000"); string(got) != want {
			t.Errorf("%s has\n%s", path, got)
		}
	}
}
