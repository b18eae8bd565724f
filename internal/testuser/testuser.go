// Package testuser lets tests start processes as other users. Tests alone import it.
package testuser

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Other is a user, and a group, that no account of any host has.
const Other = 47001

// roleVariable makes a test binary play another process; see Role.
const roleVariable = "ECR_REFRESHD_TEST_ROLE"

// NeedRoot skips the test where it has no root rights. It fails where
// ECR_REFRESHD_NO_SKIP is set.
func NeedRoot(t testing.TB) {
	t.Helper()
	const why = "needs root, to act as other users"
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("ECR_REFRESHD_NO_SKIP") != "":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

// Dir makes a directory with the mode, which every user can reach, unlike t.TempDir.
func Dir(t testing.TB, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Role returns what Play had this process started for; "" for to run tests.
func Role() string { return os.Getenv(roleVariable) }

// Play makes the command that runs this test binary in a role, with the argument
// and attributes. It ends with the test. By /proc/self/exe another user may start
// the binary wherever it lies.
func Play(t testing.TB, role, arg string, attr *syscall.SysProcAttr) *exec.Cmd {
	t.Helper()
	NeedRoot(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", arg)
	cmd.Env = []string{roleVariable + "=" + role}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
	return cmd
}

// As are the attributes of a process of another user.
func As(uid, gid uint32, groups ...uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
}
