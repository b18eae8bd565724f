package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ecr-refreshd/internal/testuser"
)

// home makes a directory that only the caller can write, all the way up.
func home(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask does not count
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name  string
		place func(t *testing.T, dir string) string // gives the path to load
		want  string                                // part of the error; "" for none
	}{
		{"private file", func(t *testing.T, dir string) string {
			return write(t, dir+"/c.yaml", smallest, 0o600)
		}, ""},
		{"file that others may read", func(t *testing.T, dir string) string {
			return write(t, dir+"/c.yaml", smallest, 0o644)
		}, ""},
		{"file that anybody may write", func(t *testing.T, dir string) string {
			return write(t, dir+"/c.yaml", smallest, 0o646)
		}, "has mode 0646, so that anybody could change the configuration; run: chmod go-w"},
		{"missing", func(t *testing.T, dir string) string { return dir + "/c.yaml" }, "no such file or directory"},
		{"directory", func(t *testing.T, dir string) string { return dir }, "is not a regular file"},
		{"file as a directory", func(t *testing.T, dir string) string {
			return write(t, dir+"/c.yaml", smallest, 0o600) + "/c.yaml"
		}, "not a directory"},
		{"FIFO", func(t *testing.T, dir string) string {
			if err := syscall.Mkfifo(dir+"/c.yaml", 0o600); err != nil {
				t.Fatal(err)
			}
			return dir + "/c.yaml"
		}, "is not a regular file"},
		{"link to a file", func(t *testing.T, dir string) string {
			write(t, dir+"/real.yaml", smallest, 0o600)
			link(t, "real.yaml", dir+"/c.yaml")
			return dir + "/c.yaml"
		}, ""},
		{"link out and up again", func(t *testing.T, dir string) string {
			write(t, dir+"/real.yaml", smallest, 0o600)
			mkdir(t, dir+"/sub", 0o755)
			link(t, dir+"/sub/../real.yaml", dir+"/c.yaml")
			return dir + "/sub/../c.yaml"
		}, ""},
		{"link to a file that anybody may write", func(t *testing.T, dir string) string {
			write(t, dir+"/real.yaml", smallest, 0o666)
			link(t, "real.yaml", dir+"/c.yaml")
			return dir + "/c.yaml"
		}, `real.yaml" has mode 0666`},
		{"link through a directory that anybody may write", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/open", 0o777)
			write(t, dir+"/real.yaml", smallest, 0o600)
			link(t, "../real.yaml", dir+"/open/hop.yaml")
			link(t, "open/hop.yaml", dir+"/c.yaml")
			return dir + "/c.yaml"
		}, `open" has mode 0777`},
		{"links in a circle", func(t *testing.T, dir string) string {
			link(t, "b", dir+"/a")
			link(t, "a", dir+"/b")
			return dir + "/a"
		}, "too many levels of symbolic links"},
		{"directory that anybody may write", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/open", 0o777)
			return write(t, dir+"/open/c.yaml", smallest, 0o600)
		}, `open" has mode 0777, so that anybody could change`},
		{"directory that anybody may write, higher up", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/open", 0o777)
			mkdir(t, dir+"/open/closed", 0o755)
			return write(t, dir+"/open/closed/c.yaml", smallest, 0o600)
		}, `open" has mode 0777`},
		{"sticky directory", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/tmp", 0o777|fs.ModeSticky)
			return write(t, dir+"/tmp/c.yaml", smallest, 0o600)
		}, ""},
		{"too large", func(t *testing.T, dir string) string {
			return write(t, dir+"/c.yaml", smallest+strings.Repeat("\n", maxFile), 0o600)
		}, "has more than 1048576 bytes; write a smaller file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.place(t, home(t))
			c, err := Load(path, TestKinds)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "" && c.Path != path:
				t.Errorf("path %q, want %q", c.Path, path)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestLoadGivesTheProblemsOfTheFile(t *testing.T) {
	path := write(t, home(t)+"/c.yaml", "registries: []\n", 0o600)
	_, err := Load(path, TestKinds)
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 1 || ps[0].File != path {
		t.Errorf("got %v", err)
	}
}

func TestTrustAsRoot(t *testing.T) {
	testuser.NeedRoot(t)
	const uid, gid = 54321, 54322
	for _, tt := range []struct {
		name     string
		uid, gid int
		mode     fs.FileMode
		want     string
	}{
		{"foreign owner", uid, 0, 0o600, "belongs to uid 54321"},
		{"foreign group", 0, gid, 0o664, "so that the group 54322 could change"},
		{"foreign group that only reads", 0, gid, 0o640, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, home(t)+"/c.yaml", smallest, 0o600)
			if err := os.Chown(path, tt.uid, tt.gid); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path, TestKinds)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("foreign directory", func(t *testing.T) {
		dir := home(t)
		mkdir(t, dir+"/theirs", 0o755)
		path := write(t, dir+"/theirs/c.yaml", smallest, 0o600)
		if err := os.Chown(dir+"/theirs", uid, gid); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, TestKinds); err == nil || !strings.Contains(err.Error(), `theirs" belongs to uid 54321`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("foreign link in a sticky directory", func(t *testing.T) {
		dir := home(t)
		mkdir(t, dir+"/tmp", 0o777|fs.ModeSticky)
		write(t, dir+"/real.yaml", smallest, 0o600)
		link(t, "../real.yaml", dir+"/tmp/c.yaml")
		if err := os.Lchown(dir+"/tmp/c.yaml", uid, gid); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir+"/tmp/c.yaml", TestKinds); err == nil || !strings.Contains(err.Error(), "belongs to uid 54321") {
			t.Errorf("got %v", err)
		}
	})
}

func TestOwnGroup(t *testing.T) {
	const groups = "root:x:0:\nci:x:1000:\nannotated:x:1001:annotated\nshared:x:1002:ci,www-data\nother:x:1003:\nbroken\n"
	tests := []struct {
		name, account, gid string
		want               bool
	}{
		{"of the same name, empty", "ci", "1000", true},
		{"of the same name, naming its owner", "annotated", "1001", true},
		{"with members", "shared", "1002", false},
		{"of another name", "ci", "1003", false},
		{"not there", "ci", "1004", false},
	}
	for _, tt := range tests {
		if got := ownGroup(strings.NewReader(groups), tt.account, tt.gid); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
	if privateGroup(0, 4294967290) {
		t.Error("an owner without an account has a private group")
	}
}

func mkdir(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}
