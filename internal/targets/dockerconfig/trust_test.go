package dockerconfig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRootGoesOnlyWhereNobodyElseDecides(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "directories that belong to root and to others take root")
	}
	tests := []struct {
		name, path string
		make       func(base string) error
		want       string // "" means the path is root's alone
	}{
		{"a directory of root", "a/config.json", func(b string) error { return os.Mkdir(b+"/a", 0o755) }, ""},
		{"nothing there yet", "a/b/config.json", func(string) error { return nil }, ""},
		{"a link of root", "l/config.json", func(b string) error {
			return errors.Join(os.Mkdir(b+"/a", 0o700), os.Symlink("../"+filepath.Base(b)+"/./a", b+"/l"))
		}, ""},
		{"a file of another in root's directory", "config.json", func(b string) error {
			return errors.Join(os.WriteFile(b+"/config.json", nil, 0o600), os.Chown(b+"/config.json", testUID, testGID))
		}, "belongs to"},
		{"a home", "home/.docker/config.json", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/home/.docker", 0o755), os.Chown(b+"/home", testUID, testGID))
		}, "belongs to"},
		{"a link into a home", "l/config.json", func(b string) error {
			return errors.Join(os.Mkdir(b+"/home", 0o755), os.Chown(b+"/home", testUID, testGID), os.Symlink(b+"/home", b+"/l"))
		}, "belongs to"},
		{"a link of the file into a home", "config.json", func(b string) error {
			return errors.Join(os.Mkdir(b+"/home", 0o755), os.Chown(b+"/home", testUID, testGID), os.Symlink("home/x", b+"/config.json"))
		}, "belongs to"},
		{"writable by a group", "a/config.json", func(b string) error {
			return errors.Join(os.Mkdir(b+"/a", 0o755), os.Chmod(b+"/a", 0o775))
		}, "could change"},
		{"writable by all", "a/b/config.json", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/a/b", 0o755), os.Chmod(b+"/a", 0o777))
		}, "could change"},
		{"root's own in a shared directory", "tmp/mine/config.json", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/tmp/mine", 0o755), os.Chmod(b+"/tmp", 0o777|os.ModeSticky))
		}, ""},
		{"not there yet in a shared directory", "tmp/mine/config.json", func(b string) error {
			return errors.Join(os.Mkdir(b+"/tmp", 0o755), os.Chmod(b+"/tmp", 0o777|os.ModeSticky))
		}, "could change"},
		{"not there yet, back by way of ..", "tmp/mine/../x/config.json", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/tmp/mine", 0o755), os.Chmod(b+"/tmp", 0o777|os.ModeSticky))
		}, "could change"},
		{"another's in a shared directory", "tmp/theirs/config.json", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/tmp/theirs", 0o755), os.Chown(b+"/tmp/theirs", testUID, 0), os.Chmod(b+"/tmp", 0o777|os.ModeSticky))
		}, "belongs to"},
		{"the file itself in a shared directory", "tmp/config.json", func(b string) error {
			return errors.Join(os.Mkdir(b+"/tmp", 0o755), os.WriteFile(b+"/tmp/config.json", nil, 0o600), os.Chmod(b+"/tmp", 0o777|os.ModeSticky))
		}, "could change"},
		{"links in a circle", "l/config.json", func(b string) error { return os.Symlink("l", b+"/l") }, "too many levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			if err := tt.make(base); err != nil {
				t.Fatal(err)
			}
			dirfd, _, err := find(site{}.rule(), base+"/"+tt.path, 0)
			if err == nil {
				_ = unix.Close(dirfd)
			} else if errors.Is(err, unix.ENOENT) {
				err = nil // so far it was root's alone
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRootWithoutUserRefusesAHomeAndNamesTheUserToSet(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "a directory of somebody else takes root")
	}
	target, path := newTarget(t)
	write(t, path, `{}`)
	if err := os.Chown(filepath.Dir(path), testUID, testGID); err != nil {
		t.Fatal(err)
	}
	wantFault(t, target.Store(t.Context(), logins("pw")), nil, "set `user: NAME`")
	wantStale(t, target, true, logins("pw")...)
	if read(t, path) != "{}" {
		t.Error("the file was changed")
	}
	if err := os.Chown(filepath.Dir(path), 1, 1); err != nil { // daemon, on every distribution
		t.Fatal(err)
	}
	wantFault(t, target.Store(t.Context(), logins("pw")), nil, "set `user: "+ownerName(1))
}
