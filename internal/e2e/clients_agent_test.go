package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// TestJenkinsLogsInAndOutOverTheHelper does what docker.withRegistry of Jenkins
// does: it copies config.json without auths and credsStore, logs in with a user
// and a password of its own, and pulls; older jobs also log out. Neither the login nor
// the logout comes between the job and the helper, and the job may take longer
// than the password lives that it began with.
func TestJenkinsLogsInAndOutOverTheHelper(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudAgent, 12*time.Second)
	host := s.cloud.hosts()[0]
	jenkins := s.bed.Account("agent")
	config := s.write("registries: [{host: " + host + "}]\n" +
		usersHelper(jenkins.Name) + s.access(s.aws.Endpoint()) + s.socketFor("users: ["+jenkins.Name+"]"))
	d := s.startDaemon(s.home(), config)
	s.awaitHelper(jenkins, host)

	job := s.jobConfig(jenkins)
	env := append(s.clientEnv(s.engine), "DOCKER_CONFIG="+job)
	docker := func(args ...string) {
		t.Helper()
		if out, code := s.run(jenkins, env, "", s.docker, args...); code != 0 {
			t.Fatalf("docker %s: %s", args[0], out)
		}
	}
	pull := func(name string) {
		t.Helper()
		ref := s.push(host, name)
		mark := len(s.aws.Calls())
		docker("pull", ref)
		s.wantLoggedIn(mark, host)
	}
	before, err := os.ReadFile(configOf(jenkins))
	must(t, err)

	pull("before-login")
	password := s.token(s.bed.Root(), config, host)
	docker("login", "--username", "AWS", "--password", password, "https://"+host)
	pull("after-login")
	await(t, func() (bool, string) {
		return s.aws.Check(host, "AWS", password) != nil, "the end of the job's own password"
	})
	pull("after-the-password")
	docker("logout", "https://"+host)
	pull("after-logout")

	s.wantOnlyHelpers(filepath.Join(job, "config.json"))
	if after, err := os.ReadFile(configOf(jenkins)); err != nil || string(after) != string(before) {
		t.Errorf("%s was\n%s\nand is\n%s (%v)", configOf(jenkins), before, after, err)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

// jobConfig makes the $DOCKER_CONFIG of a job as Jenkins does.
func (s *scene) jobConfig(as testbed.Account) (dir string) {
	s.t.Helper()
	content, err := os.ReadFile(configOf(as))
	must(s.t, err)
	var keys map[string]json.RawMessage
	must(s.t, json.Unmarshal(content, &keys))
	maps.DeleteFunc(keys, func(key string, _ json.RawMessage) bool { return key == "auths" || key == "credsStore" })
	content, err = json.Marshal(keys)
	must(s.t, err)
	dir = filepath.Join(as.Home, "job@tmp")
	must(s.t, directory(as, dir))
	path := filepath.Join(dir, "config.json")
	must(s.t, os.WriteFile(path, content, 0o600))
	must(s.t, os.Chown(path, as.UID, as.GID))
	return dir
}
