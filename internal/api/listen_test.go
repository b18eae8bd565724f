package api

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/osuser"
)

func mustListen(t *testing.T, path, group string, mode fs.FileMode) *Listener {
	t.Helper()
	l, err := Listen(t.Context(), path, group, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// wantAnswered fails unless who connects to path comes to l.
func wantAnswered(t *testing.T, l *Listener, path string) {
	t.Helper()
	c := connect(t, path)
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = a.Write([]byte("x"))
	_ = a.Close()
	if n, _ := c.Read(make([]byte, 1)); n != 1 {
		t.Error("somebody else answered")
	}
}

// onlyFile fails unless name is all that dir holds.
func onlyFile(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) || len(names) == 1 && entries[0].Name() != names[0] {
		t.Errorf("the directory holds %v, want %v", entries, names)
	}
}

// stale leaves a socket at path at which nobody answers.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestASocketHasTheModeAndGroupThatWereAskedFor(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := filepath.Join(t.TempDir(), "made")
	path, group, gid := filepath.Join(dir, "s"), "", os.Getegid()
	if os.Geteuid() == 0 {
		group, gid = "47099", 47099
	}
	l := mustListen(t, path, group, 0o662)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o662 || info.Sys().(*syscall.Stat_t).Gid != uint32(gid) {
		t.Errorf("the socket has mode %v and group %d", info.Mode(), info.Sys().(*syscall.Stat_t).Gid)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
	onlyFile(t, dir, "s")
	wantAnswered(t, l, path)
	if l.Addr().String() != path {
		t.Errorf("it says it listens at %q", l.Addr())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	onlyFile(t, dir)
}

// The kernel must not make the file with more than the socket's own mode.
func TestANewSocketIsClosedToAllFromTheStart(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	path := filepath.Join(t.TempDir(), "s")
	l, err := bindClosed(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
}

func TestTheLongestPathWorks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("s", maxSocketPath-len(dir)-1))
	wantAnswered(t, mustListen(t, path, "", 0o600), path)
}

func TestAStaleSocketIsReplacedAndALiveOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	l := mustListen(t, path, "", 0o600)
	wantAnswered(t, l, path)
	_, err := Listen(t.Context(), path, "", 0o600)
	wantFault(t, err, ErrInUse, fault.Local, "process ", "socket.path")
	if !l.Ours() {
		t.Error("the older one has lost its socket")
	}
}

func TestWhatIsNotASocketIsLeftAlone(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a file":                   func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a directory":              func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":                   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a link to nowhere":        func(path string) error { return os.Symlink(path+"-target", path) },
		"a link to a stale socket": func(path string) error { stale(t, path+"-target"); return os.Symlink(path+"-target", path) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Listen(t.Context(), path, "", 0o600)
			wantFault(t, err, errNotSocket, fault.Local, "ls -l")
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was touched: %v", err)
			}
		})
	}
}

func TestASocketOfAnotherKindIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = Listen(t.Context(), path, "", 0o600)
	wantFault(t, err, unix.EPROTOTYPE, fault.Local)
}

func TestASocketThatSomebodyTookAwayIsMissed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l := mustListen(t, path, "", 0o600)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if l.Ours() {
		t.Error("the loss is not seen")
	}
	next := mustListen(t, path, "", 0o600)
	if l.Ours() || !next.Ours() {
		t.Error("the sockets are taken for each other")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wantAnswered(t, next, path)
}

func TestPathsAndGroupsThatDoNot(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name, path, group string
		is                error
		hint              string
	}{
		{"empty", "", "", errNotAPath, "socket.path"},
		{"relative", "run/s", "", errNotAPath, "socket.path"},
		{"abstract", "@s", "", errNotAPath, "socket.path"},
		{"not clean", dir + "/x/../s", "", errNotAPath, "socket.path"},
		{"with a NUL", dir + "/s\x00", "", errNotAPath, "socket.path"},
		{"too long", dir + "/" + strings.Repeat("s", maxSocketPath-len(dir)), "", errPathLength, "socket.path"},
		{"two directories missing", dir + "/a/b/s", "", fs.ErrNotExist, "make the directory"},
		{"an unknown group", dir + "/s", "no-such-group-here", osuser.ErrUnknown, "getent group no-such-group-here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Listen(t.Context(), tt.path, tt.group, 0o600)
			wantFault(t, err, tt.is, fault.Local, tt.hint)
			onlyFile(t, dir)
		})
	}
}

func TestADirectoryThatMayNotBeWrittenIsSaid(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write everywhere")
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := Listen(t.Context(), filepath.Join(dir, "s"), "", 0o600)
	wantFault(t, err, fs.ErrPermission, fault.Local, "let ecr-refreshd write in")
	if errors.Is(err, ErrInUse) {
		t.Error("it is not in use")
	}
}
