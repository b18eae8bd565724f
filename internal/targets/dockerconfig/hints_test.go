package dockerconfig

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHintsNameTheFileThatIsMeant: what a person has to change is often not the path that
// is configured.
func TestHintsNameTheFileThatIsMeant(t *testing.T) {
	t.Run("DOCKER_CONFIG names a file", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/config.json", `{}`)
		t.Setenv("DOCKER_CONFIG", dir+"/config.json")
		wantFault(t, targetAt(t, "").Store(t.Context(), logins("pw")), unix.ENOTDIR, "set DOCKER_CONFIG="+dir+" if")
		// The same error, but not by the variable.
		wantFault(t, targetAt(t, dir+"/config.json/config.json").Store(t.Context(), logins("pw")), unix.ENOTDIR, "namei")
	})
	for name, content := range map[string]string{"byte order mark": "\ufeff{}", "UTF-16": "\xff\xfe{\x00}\x00"} {
		t.Run(name, func(t *testing.T) {
			target, path := newTarget(t)
			write(t, path, content)
			wantFault(t, target.Store(t.Context(), logins("pw")), nil, "save "+path+" as UTF-8")
			if read(t, path) != content {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("immutable behind a link", func(t *testing.T) {
		if os.Geteuid() != 0 {
			skip(t, "an immutable file takes root")
		}
		target, path := newTarget(t)
		// Here, as the file system of /tmp may know no immutable files.
		dir, err := os.MkdirTemp(".", "immutable-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		real, err := filepath.Abs(filepath.Join(dir, "c.json"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, real, `{}`)
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Symlink(real, path)); err != nil {
			t.Fatal(err)
		}
		if err := setImmutable(real, immutable); err != nil {
			skip(t, "no immutable files here: "+err.Error())
		}
		defer func() { _ = setImmutable(real, 0) }()
		wantFault(t, target.Store(t.Context(), logins("pw")), unix.EPERM, "lsattr -d "+filepath.Dir(real)+" "+real)
	})
}

// immutable is FS_IMMUTABLE_FL of linux/fs.h.
const immutable = 0x10

// setImmutable is what chattr +i and -i do.
func setImmutable(path string, flag int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^immutable|flag)
}

// withoutHome is set where this binary runs as an account that is in no passwd file.
const withoutHome = "DOCKERCONFIG_TEST_NO_HOME"

func TestAnAccountWithoutAHome(t *testing.T) {
	if os.Getenv(withoutHome) != "" {
		wantFault(t, targetAt(t, "").Store(t.Context(), logins("pw")), nil, "set HOME, DOCKER_CONFIG or `path`")
		return
	}
	if os.Geteuid() != 0 {
		skip(t, "to become another user takes root")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = []string{withoutHome + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}, Pdeathsig: unix.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAHardLinkThatGoesStaleIsSaidOnce(t *testing.T) {
	target, path := newTarget(t)
	write(t, path, `{}`)
	if err := os.Link(path, path+".other"); err != nil {
		t.Fatal(err)
	}
	store(t, target, logins("pw")...)
	if got := target.Warning(t.Context()); !strings.Contains(got, "was a hard link") {
		t.Errorf("got %q", got)
	}
	store(t, target, logins("pw2")...)
	if got := target.Warning(t.Context()); got != "" {
		t.Errorf("said again: %q", got)
	}
}
