package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ecr-refreshd/internal/fault"
)

func TestOneLockAConfiguration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	release, err := Lock(dir, "/etc/a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, "/etc/../etc/a.yaml")
	var f *fault.Error
	if !errors.Is(err, ErrRunning) || !errors.As(err, &f) || f.Reason != fault.Local || f.Hint == "" {
		t.Errorf("the second one: %v", err)
	}
	other, err := Lock(dir, "/etc/b.yaml")
	if err != nil {
		t.Errorf("another configuration: %v", err)
	}
	other()
	release()
	again, err := Lock(dir, "/etc/a.yaml")
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	again()
}

func TestTheLockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir, "/etc/a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	release()
	locks, err := filepath.Glob(filepath.Join(dir, "*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("locks %v, %v", locks, err)
	}
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(locks[0]), os.Symlink(victim, locks[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir, "/etc/a.yaml"); err == nil || !strings.Contains(err.Error(), locks[0]) {
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
	release, err := Lock(dir, "/etc/x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	made, err := os.ReadDir(dir)
	if err != nil || len(made) != 1 {
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
