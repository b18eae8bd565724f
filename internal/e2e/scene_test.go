package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

// patience is how long a test waits for what must happen. It only matters when
// something is broken.
const patience = 90 * time.Second

// scene is what one test has for itself.
type scene struct {
	*machine
	t       *testing.T
	cloud   cloud
	life    time.Duration // of a token
	aws     *emulator.Server
	printed *transcript
}

// newScene starts the emulated AWS of a test, whose tokens live for life, or
// longer where this machine needs that to pull in time. When the test ends, it looks for
// secrets in everything that the processes of the scene have printed.
func newScene(t *testing.T, c cloud, life time.Duration) *scene {
	t.Helper()
	m := bench(t)
	// A pull uses the token that was in the file when it began.
	s := &scene{machine: m, t: t, cloud: c, life: max(life, 20*m.pullTime), printed: newTranscript(c.principal().SecretAccessKey)}
	o := c.options()
	o.TokenLife = s.life
	s.aws = s.startAWS(o)
	t.Cleanup(func() { s.printed.check(t) })
	return s
}

func (s *scene) startAWS(o emulator.Options) *emulator.Server {
	s.t.Helper()
	server, err := s.bed.StartAWS(s.cloud.addr, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(server.Close)
	return server
}

// push makes an image for the host and gives its reference.
func (s *scene) push(host, name string) string {
	s.t.Helper()
	ref := host + "/" + name + ":latest"
	if err := s.bed.PushImage(s.t.Context(), s.aws, s.cloud.profile(), ref); err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// run runs a program to its end and gives what it printed and its exit code.
func (s *scene) run(as testbed.Account, env []string, stdin, program string, args ...string) (out string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := s.bed.Command(ctx, as, env, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	s.printed.add(program+" "+strings.Join(args, " "), text)
	if cmd.ProcessState == nil {
		s.t.Errorf("%s: %v", program, err)
		return "", -1
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// token gives a password from the one command that is to print it.
func (s *scene) token(as testbed.Account, config, host string) string {
	s.t.Helper()
	out, err := s.bed.Command(s.t.Context(), as, nil, s.binary, "token", "--config", config, host).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	password := strings.TrimSpace(string(out))
	s.printed.password("AWS", password)
	return password
}

// engineEnv points docker and the daemon to the engine.
func (s *scene) engineEnv(engine *testbed.Engine) []string {
	return []string{"DOCKER_HOST=" + engine.Host()}
}

// socket is where the daemon of the scene serves its local API.
func (s *scene) socket() string { return filepath.Join(s.bed.Dir, s.cloud.profile()+".sock") }

// in is the scene for a part of its test.
func (s *scene) in(t *testing.T) *scene {
	part := *s
	part.t = t
	return &part
}

// home is a home directory for root that only this test uses.
func (s *scene) home() testbed.Account {
	root := s.bed.Root()
	root.Home = s.t.TempDir()
	return root
}

// configOf is where docker keeps the logins of an account.
func configOf(a testbed.Account) string { return filepath.Join(a.Home, ".docker", "config.json") }

// config is a configuration for the cloud's accounts in both regions, or further
// registries besides, with targets; none stands for the default ones.
func (s *scene) config(targets string, registries ...string) string {
	return s.registries() + strings.Join(registries, "") + targets + s.settings(s.aws.Endpoint())
}

// registries are the cloud's accounts in both regions.
func (s *scene) registries() string {
	return fmt.Sprintf("registries:\n  - accounts: [\"%s\"]\n    regions: [%s]\n",
		strings.Join(s.cloud.accounts(), `", "`), strings.Join(regions, ", "))
}

// settings say who asks which AWS, to try again soon, and where to ask the daemon.
func (s *scene) settings(endpoint string) string {
	return s.access(endpoint) + fmt.Sprintf("socket: {path: %s}\n", s.socket())
}

// access is the settings without the last.
func (s *scene) access(endpoint string) string {
	return fmt.Sprintf("aws: {profile: %s, endpoint_url: %q, sts_endpoint_url: %q}\nrefresh: {backoff: {initial: 100ms, max: 1s}}\n",
		s.cloud.profile(), endpoint, endpoint)
}

// write puts a configuration into a file that only root may read.
func (s *scene) write(text string) (path string) {
	s.t.Helper()
	path = filepath.Join(s.t.TempDir(), "config.yaml")
	s.rewrite(path, text)
	return path
}

func (s *scene) rewrite(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until done, which tells what it waits for otherwise.
func await(t *testing.T, done func() (bool, string)) {
	t.Helper()
	if missing := awaitWithin(patience, done); missing != "" {
		t.Fatalf("waited %s in vain: %s", patience, missing)
	}
}

// awaitWithin gives what was still missing after d, or nothing.
func awaitWithin(d time.Duration, done func() (bool, string)) (missing string) {
	deadline := time.After(d)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		ok, missing := done()
		if ok {
			return ""
		}
		select {
		case <-deadline:
			return missing
		case <-again.C:
		}
	}
}
