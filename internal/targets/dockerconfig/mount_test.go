package dockerconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// insideNamespace is set where this binary runs with mounts of its own.
const insideNamespace = "DOCKERCONFIG_TEST_NAMESPACE"

// TestTroubleWithTheDisk runs itself again where what it mounts is seen by
// nobody else.
func TestTroubleWithTheDisk(t *testing.T) {
	inMounts(t, troubleWithTheDisk)
}

func troubleWithTheDisk(t *testing.T) {
	tests := []struct {
		name  string
		mount func(dir, file string) error
		cause error
		hint  string
		link  bool // the path is a symbolic link to the file
	}{
		{"full", func(dir, file string) error {
			if err := unix.Mount("none", dir, "tmpfs", 0, "size=8k,mode=700"); err != nil {
				return err
			}
			if err := os.WriteFile(file, []byte(`{"a":1}`), 0o600); err != nil {
				return err
			}
			return os.WriteFile(dir+"/full", make([]byte, 4096), 0o600)
		}, unix.ENOSPC, "df -h", false},
		{"read-only", readOnly, unix.EROFS, "ReadWritePaths=", false},
		{"read-only behind a link", readOnly, unix.EROFS, "{dir} is read-only: remount it, or, where systemd made it so, add ReadWritePaths={dir} to the unit; or replace the symbolic link at {link} by a file", true},
		{"mount point", func(dir, file string) error { return unix.Mount(file, file, "", unix.MS_BIND, "") }, unix.EBUSY, "mount the directory", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, path := newTarget(t)
			write(t, path, `{"a":1}`)
			if tt.link {
				link := filepath.Join(t.TempDir(), "config.json")
				if err := os.Symlink(path, link); err != nil {
					t.Fatal(err)
				}
				target = targetAt(t, link)
				tt.hint = strings.NewReplacer("{dir}", filepath.Dir(path), "{link}", link).Replace(tt.hint)
			}
			if err := tt.mount(filepath.Dir(path), path); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = unix.Unmount(path, unix.MNT_DETACH)
				_ = unix.Unmount(filepath.Dir(path), unix.MNT_DETACH)
			}()
			wantFault(t, target.Store(t.Context(), logins("pw")), tt.cause, tt.hint)
			if read(t, path) != `{"a":1}` {
				t.Error("the file was changed")
			}
			_ = os.Remove(filepath.Dir(path) + "/full")
			wantTidy(t, path)
		})
	}
}

func readOnly(dir, _ string) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}
