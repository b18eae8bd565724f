package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

// builtVariable tells the process inside where the programs under test are.
const builtVariable = "ECR_REFRESHD_E2E_BUILT"

// noSkipVariable turns what lacks from a reason to skip into a failure.
const noSkipVariable = "ECR_REFRESHD_NO_SKIP"

// dockers are the accounts that use docker on the machine inside.
var dockers = []string{"jenkins", "ci", "late", "mallory", "victim", "agent", "builder", "tester", "guest", "stranger", "runner"}

func TestMain(m *testing.M) {
	if testbed.Inside() {
		os.Exit(m.Run())
	}
	code, err := outside()
	switch {
	case errors.As(err, new(*testbed.LackError)):
		code = m.Run() // each test says so
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// outside builds the programs under test and runs the tests in the test bed.
func outside() (code int, err error) {
	if err := lacking(); err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "ecr-refreshd/cmd/ecr-refreshd",
		"ecr-refreshd/cmd/docker-credential-ecr-refreshd", "ecr-refreshd/internal/testbed/idle")
	// Static, as they are shipped: a container has no C library for them.
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("build the programs under test: %w", err)
	}
	return testbed.Enter(ctx, builtVariable+"="+dir)
}

// lacking says what a test bed with an engine needs and this machine has not.
func lacking() error {
	if os.Geteuid() != 0 {
		return &testbed.LackError{What: "root", Remedy: "run the tests with sudo"}
	}
	if err := testbed.FindEngine(); err != nil {
		return err
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return &testbed.LackError{What: "docker", Remedy: "apt-get install docker.io or docker-cli"}
	}
	return nil
}

// machine is what the tests share.
type machine struct {
	bed    *testbed.Bed
	engine *testbed.Engine // stays up all the time
	bin    string          // has the programs under test; everybody may run them
	binary string          // the daemon among them
	docker string          // the command line
	// pullTime is what a pull takes on this machine when two more are going on.
	pullTime time.Duration
}

// shared opens the machine when the first test asks for it. Nothing closes it: it
// ends with this process.
var shared = sync.OnceValues(func() (*machine, error) {
	if !testbed.Inside() {
		return nil, cmp.Or(lacking(), error(&testbed.LackError{What: "permission to make namespaces"}))
	}
	hosts := map[string]string{publicHost: cloudContinuity.addr}
	profiles := map[string]emulator.Principal{}
	for _, c := range clouds {
		profiles[c.profile()], profiles[c.deniedProfile()] = c.principal(), c.denied()
		for _, h := range slices.Concat(c.hosts(), c.others, []string{c.closed, c.foreign}) {
			hosts[h] = c.addr
		}
	}
	bed, err := testbed.Open(testbed.Options{Hosts: hosts, Accounts: dockers, Profiles: profiles})
	if err != nil {
		return nil, err
	}
	engine, err := bed.StartEngine(context.Background())
	if err != nil {
		return nil, err
	}
	m := &machine{bed: bed, engine: engine, bin: filepath.Join(bed.Dir, "bin")}
	m.binary = filepath.Join(m.bin, "ecr-refreshd")
	err = errors.Join(os.CopyFS(m.bin, os.DirFS(os.Getenv(builtVariable))),
		os.Chmod(m.bin, 0o755), os.Chmod(m.helperPath(), 0o755)) // whatever the umask
	if err != nil {
		return nil, err
	}
	if m.docker, err = exec.LookPath("docker"); err != nil {
		return nil, err
	}
	m.pullTime, err = m.trial(context.Background())
	return m, err
})

// bench gives the machine to a test, or ends the test where there is none.
func bench(t *testing.T) *machine {
	t.Helper()
	m, err := shared()
	if errors.As(err, new(*testbed.LackError)) {
		lacks(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lacks ends a test that cannot run on this machine.
func lacks(t *testing.T, err error) {
	t.Helper()
	if os.Getenv(noSkipVariable) == "" {
		t.Skip(err)
	}
	t.Fatal(err)
}
