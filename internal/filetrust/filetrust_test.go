package filetrust

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/shell"
)

func me() uint32 { return uint32(os.Geteuid()) }

func rule(owners ...uint32) Rule { return Rule{What: "the test", Owners: owners} }

// home makes a directory that only the caller and root can write, all the way up.
func home(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// file makes one whose mode the umask has no part in.
func file(path string, mode fs.FileMode) error {
	return errors.Join(os.WriteFile(path, []byte("text"), 0o600), os.Chmod(path, mode))
}

func dir(path string, mode fs.FileMode) error {
	return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode))
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestOpenFollowsOnlyWhereTheOwnersDecide(t *testing.T) {
	tests := []struct {
		name, path string
		make       func(d string) error
		want       string // part of the error; "" for none
	}{
		{"a file", "f", func(d string) error { return file(d+"/f", 0o644) }, ""},
		{"a file that anybody may write", "f", func(d string) error { return file(d+"/f", 0o646) }, "has mode 0646, so that anybody could change the test"},
		{"a file that a group may write", "f", func(d string) error { return file(d+"/f", 0o664) }, "has mode 0664, so that the group"},
		{"missing", "f", func(string) error { return nil }, "no such file"},
		{"a directory", ".", func(string) error { return nil }, "is not a regular file"},
		{"a FIFO", "f", func(d string) error { return syscall.Mkfifo(d+"/f", 0o600) }, "is not a regular file"},
		{"a file as a directory", "f/x", func(d string) error { return file(d+"/f", 0o600) }, "not a directory"},
		{"a link, out and up again", "a/../l", func(d string) error {
			return errors.Join(dir(d+"/a", 0o755), file(d+"/f", 0o600), os.Symlink(d+"/a/../f", d+"/l"))
		}, ""},
		{"a link to a file that anybody may write", "l", func(d string) error {
			return errors.Join(file(d+"/f", 0o666), os.Symlink("f", d+"/l"))
		}, `f" has mode 0666`},
		{"a link through a directory that anybody may write", "l", func(d string) error {
			return errors.Join(dir(d+"/open", 0o777), file(d+"/f", 0o600), os.Symlink("../f", d+"/open/hop"), os.Symlink("open/hop", d+"/l"))
		}, `open" has mode 0777`},
		{"links in a circle", "l", func(d string) error { return os.Symlink("l", d+"/l") }, "too many levels of symbolic links"},
		{"a directory that anybody may write, higher up", "open/in/f", func(d string) error {
			return errors.Join(dir(d+"/open", 0o777), dir(d+"/open/in", 0o755), file(d+"/open/in/f", 0o600))
		}, `open" has mode 0777`},
		{"a sticky directory", "tmp/f", func(d string) error {
			return errors.Join(dir(d+"/tmp", 0o777|fs.ModeSticky), file(d+"/tmp/f", 0o600))
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := home(t)
			if err := tt.make(d); err != nil {
				t.Fatal(err)
			}
			f, err := rule(me(), 0).Open(d + "/" + tt.path)
			wantError(t, err, tt.want)
			if err != nil {
				return
			}
			defer f.Close()
			if text, err := io.ReadAll(f); string(text) != "text" {
				t.Errorf("read %q, %v", text, err)
			}
		})
	}
}

func TestFollowTellsWhereAPathLeadsOrWhatIsMissing(t *testing.T) {
	d := home(t)
	if err := errors.Join(dir(d+"/tmp", 0o777|fs.ModeSticky), dir(d+"/tmp/mine", 0o755), file(d+"/tmp/f", 0o600), os.Symlink("tmp/mine", d+"/l")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path string
		want string
		err  error
	}{
		{"/l/a/b", d + "/tmp/mine/a", fs.ErrNotExist},
		{"/l", d + "/tmp/mine", nil},
		{"/tmp/f", d + "/tmp/f", nil},
		{"/tmp/a/b", d + "/tmp/a", fs.ErrNotExist},
		{"/tmp/mine/../a", d + "/tmp/a", fs.ErrNotExist},
		{"/a", d + "/a", fs.ErrNotExist},
	}
	for _, tt := range tests {
		if got, err := rule(me(), 0).Follow(d + tt.path); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, %v, want %v", tt.path, got, err, tt.want)
		}
	}
}

// The rules of owner and group are tried with numbers that are not the caller's,
// so that no other account is needed.
func TestOwnerAndGroup(t *testing.T) {
	path := home(t) + "/f"
	if err := file(path, 0o664); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	always := func(is bool) func(uint32, uint32) bool { return func(uint32, uint32) bool { return is } }
	tests := []struct {
		name      string
		rule      Rule
		want, fix string
	}{
		{"trusted group", Rule{What: "it", Owners: []uint32{me()}, Group: always(true)}, "", ""},
		{"other group", Rule{What: "it", Owners: []uint32{me()}, Group: always(false)}, "could change it", "chmod g-w"},
		{"no group at all", Rule{What: "it", Owners: []uint32{me()}, Group: nil}, "has mode 0664, so that the group", "chmod g-w"},
		{"one of two owners", Rule{What: "it", Owners: []uint32{me() + 1, me()}, Group: always(true)}, "", ""},
		{"not an owner", Rule{What: "it", Owners: []uint32{me() + 1}, Group: always(true)}, "(mode 0664), who could change it", "chown -h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.rule.Check(path, int(f.Fd()))
			wantError(t, err, tt.want)
			var refused *Error
			if tt.want != "" && (!errors.As(err, &refused) || refused.Path != path || refused.UID != me() ||
				refused.Mode != 0o664 || !strings.HasPrefix(refused.Fix, tt.fix)) {
				t.Errorf("got %+v", refused)
			}
		})
	}
}

func TestTheFixIsSafeToPaste(t *testing.T) {
	path := home(t) + "/$(id)'"
	if err := file(path, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := rule(me(), 0).Open(path)
	var refused *Error
	if !errors.As(err, &refused) || refused.Fix != "chmod go-w "+shell.Quote(path) {
		t.Errorf("got %+v", refused)
	}
}

// TestAListThatCannotBeReadIsNoLack: somebody could be named in it.
func TestAListThatCannotBeReadIsNoLack(t *testing.T) {
	r := rule(me())
	r.Group = func(uint32, uint32) bool { return true }
	const notOpen = 1 << 20
	if err := r.mode("/f", notOpen, &unix.Stat_t{Mode: 0o660}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestOpenKeepsNoDirectoryOpen(t *testing.T) {
	path := home(t) + "/f"
	if err := file(path, 0o600); err != nil {
		t.Fatal(err)
	}
	const often = 50
	before := descriptors(t)
	for range often {
		f, err := rule(me(), 0).Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	if n := descriptors(t) - before; n >= often {
		t.Errorf("%d descriptors more than before", n)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// acl is a list that lets uid 65534 write: version 2, then tag, permissions and
// id of each entry, as in linux/posix_acl_xattr.h.
func acl() []byte {
	const none = ^uint32(0)
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{0x01, 6, none}, {0x02, 6, 65534}, {0x04, 4, none}, {0x10, 6, none}, {0x20, 4, none}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

func TestAnAccessControlListIsNoGroup(t *testing.T) {
	path := home(t) + "/f"
	if err := file(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(path, "system.posix_acl_access", acl(), 0); err != nil {
		skip(t, "no access control lists here: "+err.Error())
	}
	r := rule(me(), 0)
	r.Group = func(uint32, uint32) bool { return true }
	_, err := r.Open(path)
	wantError(t, err, "access control list")
	var refused *Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Fix, "setfacl -b") {
		t.Errorf("got %+v", refused)
	}
	if err := os.Chmod(path, 0o644); err != nil { // which takes the entry's rights
		t.Fatal(err)
	}
	f, err := r.Open(path)
	wantError(t, err, "")
	_ = f.Close()
}

func TestForeignOwnersAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "files of other users take root")
	}
	const uid = 54321
	tests := []struct {
		name, path string
		make       func(d string) error
	}{
		{"a file", "f", func(d string) error { return errors.Join(file(d+"/f", 0o600), os.Chown(d+"/f", uid, 0)) }},
		{"a directory", "a/f", func(d string) error {
			return errors.Join(dir(d+"/a", 0o755), file(d+"/a/f", 0o600), os.Chown(d+"/a", uid, 0))
		}},
		{"a directory behind a link, with nothing in it", "l/f", func(d string) error {
			return errors.Join(dir(d+"/a", 0o755), os.Chown(d+"/a", uid, 0), os.Symlink(d+"/a", d+"/l"))
		}},
		{"a link in a sticky directory", "tmp/l", func(d string) error {
			return errors.Join(dir(d+"/tmp", 0o777|fs.ModeSticky), file(d+"/f", 0o600), os.Symlink("../f", d+"/tmp/l"), os.Lchown(d+"/tmp/l", uid, 0))
		}},
		{"a sticky directory", "tmp/f", func(d string) error {
			return errors.Join(dir(d+"/tmp", 0o777|fs.ModeSticky), file(d+"/tmp/f", 0o600), os.Chown(d+"/tmp", uid, 0))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := home(t)
			if err := tt.make(d); err != nil {
				t.Fatal(err)
			}
			_, err := rule(0).Open(d + "/" + tt.path)
			wantError(t, err, "belongs to uid 54321")
		})
	}
}

func TestOpenWithoutARule(t *testing.T) {
	d := home(t)
	if err := errors.Join(file(d+"/f", 0o666), os.Symlink("f", d+"/l"), syscall.Mkfifo(d+"/p", 0o600)); err != nil {
		t.Fatal(err)
	}
	f, err := Open(d + "/l")
	wantError(t, err, "")
	_ = f.Close()
	for _, path := range []string{d + "/p", d, "/dev/zero"} {
		if _, err := Open(path); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Whoever makes a link chooses where it leads: no command is proposed for that place.
func TestTheCureFollowsNoLink(t *testing.T) {
	tests := []struct{ refused, asked, want string }{
		{"/home/app", "/home/app/s/pw", "run `FIX`"},
		{"/", "/pw", "run `FIX`"},
		{"/home/app/s", "/home/app/./s/pw", "run `FIX`"},
		{"/home/app/s", "/home/app/s2/pw", "correct the symbolic link that leads to /home/app/s"},
		{"/var/lib/x $(id)", "/home/app/s/pw", "correct the symbolic link that leads to '/var/lib/x $(id)'"},
	}
	for _, tt := range tests {
		if got := (&Error{Path: tt.refused, Fix: "FIX"}).Cure(tt.asked); got != tt.want {
			t.Errorf("%s on the way to %s: got %q, want %q", tt.refused, tt.asked, got, tt.want)
		}
	}
}
