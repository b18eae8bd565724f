package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
)

func TestOneLockAConfiguration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	release, err := Lock(dir, named("/etc/a.yaml", "/run/a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, named("/etc/../etc/a.yaml", "/run/b.sock"))
	var f *fault.Error
	if !errors.Is(err, ErrRunning) || !errors.As(err, &f) || f.Reason != fault.Local || f.Hint == "" {
		t.Errorf("the second one: %v", err)
	}
	other, err := Lock(dir, named("/etc/b.yaml", "/run/b.sock"))
	if err != nil {
		t.Errorf("another configuration: %v", err)
	}
	other()
	release()
	again, err := Lock(dir, named("/etc/a.yaml", "/run/a.sock"))
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	again()
}

// named is a configuration at path.
func named(path, socket string) *config.Config {
	return &config.Config{Path: path, Socket: config.Socket{Path: socket}}
}

func TestTheLockBelongsToWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Symlink(path, path+".symlink"), os.Link(path, path+".hard")); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(dir, named(path, "/run/a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for name, c := range map[string]*config.Config{
		"a symbolic link": named(path+".symlink", "/run/b.sock"),
		"a hard link":     named(path+".hard", "/run/b.sock"),
		"the same socket": named(filepath.Join(dir, "b.yaml"), "/run/a.sock"),
	} {
		if _, err := Lock(dir, c); !errors.Is(err, ErrRunning) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What was refused the socket holds its configuration no longer.
	other, err := Lock(dir, named(filepath.Join(dir, "b.yaml"), "/run/b.sock"))
	if err != nil {
		t.Fatal(err)
	}
	other()
}

func TestADaemonThatAnswersNeedsNoLock(t *testing.T) {
	d := start(t, registries, Options{})
	c := d.generation().config
	for deadline := time.Now().Add(patience); d.Status().Socket.Path == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("does not listen")
		}
	}
	if err := Alone(t.Context(), c); !errors.Is(err, ErrRunning) {
		t.Errorf("beside another: %v", err)
	}
	if err := Alone(t.Context(), named(c.Path, filepath.Join(t.TempDir(), "none.sock"))); err != nil {
		t.Errorf("alone: %v", err)
	}
}

func TestTheLockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir, named("/etc/a.yaml", "/run/a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	release()
	locks, err := filepath.Glob(filepath.Join(dir, "*.lock"))
	if err != nil || len(locks) != 2 {
		t.Fatalf("locks %v, %v", locks, err)
	}
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(locks[0]), os.Symlink(victim, locks[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir, named("/etc/a.yaml", "/run/a.sock")); err == nil || !strings.Contains(err.Error(), locks[0]) {
		t.Errorf("through a link: %v", err)
	}
	if data, _ := os.ReadFile(victim); string(data) != "precious" {
		t.Errorf("the victim holds %q", data)
	}
}

func TestALockOfRootsBelongsToTheServicesAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
			t.Fatal("this takes root")
		}
		t.Skip("this takes root")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(dir, named("/etc/x.yaml", "/run/a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	made, err := os.ReadDir(dir)
	if err != nil || len(made) != 2 {
		t.Fatal(made, err)
	}
	info, err := made[0].Info()
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 65534 {
		t.Errorf("the lock is uid %d's", uid)
	}
}
