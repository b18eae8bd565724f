package passwordfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/testuser"
)

func TestMain(m *testing.M) {
	if path, ok := strings.CutPrefix(testuser.Role(), "store as another user in "); ok {
		err := newTarget(settings{Path: path, Format: "password", Mode: 0o600, Owner: "root"}).Store(context.Background(), []login.Login{loginFor(hostA, "one")})
		fmt.Println(err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	other = testuser.Other // an id that the host does not know
	// daemonUser is an account of every host.
	daemonUser, daemonID = "daemon", 1
)

// houses are a directory of root's and one of another user's, side by side.
func houses(t *testing.T, uid int) (roots, theirs string) {
	t.Helper()
	testuser.NeedRoot(t)
	base := testuser.Dir(t, 0o755)
	roots, theirs = base+"/root", base+"/theirs"
	if err := errors.Join(os.Mkdir(roots, 0o755), os.Mkdir(theirs, 0o755), os.Chown(theirs, uid, uid)); err != nil {
		t.Fatal(err)
	}
	return roots, theirs
}

func wantOwner(t *testing.T, path string, uid, gid uint32, mode os.FileMode) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Uid != uid || st.Gid != gid || os.FileMode(st.Mode&0o7777) != mode {
		t.Errorf("%s belongs to %d:%d with mode %04o, %v; want %d:%d, %04o", path, st.Uid, st.Gid, st.Mode&0o7777, err, uid, gid, mode)
	}
}

func TestTheFileBelongsToItsOwner(t *testing.T) {
	tests := []struct {
		name, owner, group string
		mode               os.FileMode
		theirs             bool // in the owner's directory
		uid, gid           uint32
	}{
		{"an account, in root's directory", daemonUser, "", 0o600, false, daemonID, daemonID},
		{"an account, in its own", daemonUser, "", 0o400, true, daemonID, daemonID},
		{"an account with a group that is not its", daemonUser, "0", 0o640, false, daemonID, 0},
		{"an id of a container, in root's directory", fmt.Sprint(other), "", 0o600, false, other, 0},
		{"an id with its group", fmt.Sprint(other), "12345", 0o440, false, other, 12345},
		{"an id of a container, in its own", fmt.Sprint(other), "", 0o600, true, other, nogroup},
		{"a group alone", "", "12345", 0o640, false, 0, 12345},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, theirs := houses(t, int(tt.uid))
			if tt.theirs {
				dir = theirs
			}
			path := dir + "/file"
			s := settings{Path: path, Format: "env", Owner: tt.owner, Group: tt.group, Mode: tt.mode}
			target, a, b := newTarget(s), loginFor(hostA, "one"), loginFor(hostB, "two")
			for range 2 {
				store(t, target, a)
				store(t, target, b)
			}
			wantOwner(t, path, tt.uid, tt.gid, tt.mode)
			wantStale(t, target, false, a, b)
			for _, change := range []func() error{
				func() error { return os.Chown(path, 4711, int(tt.gid)) },
				func() error { // what has no group configured, and no account that tells it, may have any
					if tt.group == "" && tt.owner == fmt.Sprint(other) {
						return os.Chown(path, int(tt.uid), int(tt.gid))
					}
					return os.Chown(path, int(tt.uid), 4711)
				},
				func() error { return os.Chmod(path, 0o666) },
			} {
				if err := change(); err != nil {
					t.Fatal(err)
				}
				wantStale(t, target, true, a)
				store(t, target, a)
				store(t, target, b)
				wantOwner(t, path, tt.uid, tt.gid, tt.mode)
				wantStale(t, target, false, a, b)
			}
			if err := target.Remove(t.Context(), []login.Login{a, b}); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
				t.Errorf("left %v, %v", entries, err)
			}
		})
	}
}

// Whoever looks all the time sees no file that somebody else than in the end may read.
func TestTheModeIsNeverWiderThanConfigured(t *testing.T) {
	dir, _ := houses(t, other)
	const group = 12345
	target := newTarget(settings{Path: dir + "/file", Format: "password", Owner: fmt.Sprint(other), Group: fmt.Sprint(group), Mode: 0o640})
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			d, err := os.ReadDir(dir)
			for _, e := range d {
				var st unix.Stat_t
				if unix.Lstat(filepath.Join(dir, e.Name()), &st) != nil {
					continue
				}
				if st.Mode&0o137 != 0 || st.Mode&0o040 != 0 && st.Gid != group {
					err = fmt.Errorf("%s has mode %04o and group %d", e.Name(), st.Mode&0o777, st.Gid)
				}
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for i := range 300 {
		store(t, target, loginFor(hostA, fmt.Sprint(i)))
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDirectoriesOfOthersAreRefused(t *testing.T) {
	tests := []struct {
		name, owner string
		make        func(roots, theirs string) (dir string, err error)
		why, hint   string
	}{
		{"of an account that is not the owner", "", func(_, theirs string) (string, error) { return theirs, nil }, "belongs to uid 1", "set `owner: daemon`"},
		{"of a third party", fmt.Sprint(other), func(_, theirs string) (string, error) { return theirs, nil }, "belongs to uid 1", "nobody but root and 47001"},
		{"that anybody may write", daemonUser, func(roots, _ string) (string, error) { return roots, os.Chmod(roots, 0o777) }, "so that anybody could change", "chmod go-w"},
		{"that a group may write", daemonUser, func(_, theirs string) (string, error) {
			return theirs, errors.Join(os.Chown(theirs, daemonID, 4711), os.Chmod(theirs, 0o775))
		}, "the group 4711 could change", "chmod g-w"},
		{"shared as /tmp", daemonUser, func(roots, _ string) (string, error) { return roots, os.Chmod(roots, 0o777|os.ModeSticky) }, "so that anybody could change", "chmod go-w"},
		{"by a link of a third party", "", func(_, theirs string) (string, error) {
			return theirs + "/l", errors.Join(os.Symlink(filepath.Dir(theirs)+"/root", theirs+"/l"), os.Lchown(theirs+"/l", daemonID, daemonID))
		}, "belongs to uid 1", "set `owner: daemon`"},
		{"of root, by a link of the owner", daemonUser, func(roots, theirs string) (string, error) {
			return theirs + "/l", errors.Join(os.Symlink(roots, theirs+"/l"), os.Lchown(theirs+"/l", daemonID, daemonID))
		}, "permission denied", "must be allowed to write"},
		{"to be made in the owner's, by a link", daemonUser, func(roots, theirs string) (string, error) {
			return theirs + "/l", errors.Join(os.Symlink(roots+"/new", theirs+"/l"), os.Lchown(theirs+"/l", daemonID, daemonID))
		}, "no such file", "a symbolic link leads nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			roots, theirs := houses(t, daemonID)
			dir, err := tt.make(roots, theirs)
			if err != nil {
				t.Fatal(err)
			}
			target := newTarget(settings{Path: dir + "/file", Format: "password", Owner: tt.owner, Mode: 0o600})
			wantFault(t, target.Store(t.Context(), []login.Login{loginFor(hostA, "one")}), tt.why, tt.hint)
			if entries, err := os.ReadDir(roots); err != nil || len(entries) != 0 {
				t.Errorf("root's directory has %v, %v", entries, err)
			}
		})
	}
}

// A user in whose directory the file is swaps directories and plants links all the time; nothing
// of it leads root elsewhere.
func TestSwappedDirectoriesLeadNowhere(t *testing.T) {
	roots, theirs := houses(t, other)
	if err := errors.Join(os.Chmod(roots, 0o700), os.WriteFile(roots+"/file", []byte("root's"), 0o600)); err != nil {
		t.Fatal(err)
	}
	target := newTarget(settings{Path: theirs + "/d/file", Format: "password", Owner: fmt.Sprint(other), Mode: 0o600})
	cmd := exec.Command("/bin/sh", "-c", `cd `+theirs+`; while :; do mkdir d; ln -s `+roots+`/file d/file; mkfifo d/.f; rm -rf d; ln -s `+roots+` d; rm -f d; mkdir d; mv d e; ln -s / d; rm -rf d e; done 2>/dev/null`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL, Credential: &syscall.Credential{Uid: other, Gid: other}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		_ = target.Store(t.Context(), []login.Login{loginFor(hostA, fmt.Sprint(i))}) // most fail
		_ = target.Remove(t.Context(), []login.Login{loginFor(hostA, fmt.Sprint(i))})
		_, _ = target.Stale(t.Context(), []login.Login{loginFor(hostA, fmt.Sprint(i))})
	}
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	_ = cmd.Wait()
	entries, err := os.ReadDir(roots)
	if err != nil || len(entries) != 1 || contentOfFile(t, roots+"/file") != "root's" {
		t.Errorf("root's directory has %v, %v", entries, err)
	}
	wantOwner(t, roots+"/file", 0, 0, 0o600)
}

// What a third party has written, or could have, does not end up in a file that others trust.
func TestWhatOthersCouldHaveWrittenIsNotKept(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"a stranger's file":          func(path string) error { return os.Chown(path, 4711, 4711) },
		"one that anybody may write": func(path string) error { return os.Chmod(path, 0o646) },
		"one of a group":             func(path string) error { return os.Chmod(path, 0o660) },
	} {
		t.Run(name, func(t *testing.T) {
			roots, _ := houses(t, other)
			path := roots + "/file"
			if err := errors.Join(os.WriteFile(path, []byte("LD_PRELOAD=/tmp/x\n"), 0o600), change(path)); err != nil {
				t.Fatal(err)
			}
			store(t, newTarget(settings{Path: path, Format: "env", Mode: 0o600}), loginFor(hostA, "one"))
			if got := contentOfFile(t, path); strings.Contains(got, "LD_PRELOAD") || !strings.Contains(got, passwordOf("one")) {
				t.Errorf("got %q", got)
			}
			wantOwner(t, path, 0, 0, 0o600)
		})
	}
}

func TestAGroupThatTheOwnerIsNotInIsRefusedInItsDirectory(t *testing.T) {
	roots, theirs := houses(t, other)
	s := settings{Path: theirs + "/file", Format: "password", Owner: fmt.Sprint(other), Group: "0", Mode: 0o640}
	wantFault(t, newTarget(s).Store(t.Context(), []login.Login{loginFor(hostA, "one")}), "give the file to group 0: refused", "CAP_CHOWN")
	if entries, err := os.ReadDir(theirs); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	s.Path = roots + "/file"
	store(t, newTarget(s), loginFor(hostA, "one"))
	wantOwner(t, s.Path, other, 0, 0o640)
}

func TestWithoutCapabilitiesNothingIsGivenAway(t *testing.T) {
	_, theirs := houses(t, other)
	out, err := testuser.Play(t, "store as another user in "+theirs+"/file", "", testuser.As(other, other)).Output()
	if want := "give the file to group 0: refused: operation not permitted"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if entries, err := os.ReadDir(theirs); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

// insideNamespace is set where this binary runs with mounts of its own.
const insideNamespace = "PASSWORDFILE_TEST_NAMESPACE"

// TestTroubleWithTheDisk runs itself again where what it mounts is seen by nobody else.
func TestTroubleWithTheDisk(t *testing.T) {
	testuser.NeedRoot(t)
	if os.Getenv(insideNamespace) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), insideNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, unix.EPERM) && os.Getenv("ECR_REFRESHD_NO_SKIP") == "" {
			t.Skip("this machine allows no mounts: " + err.Error())
		}
		if err != nil || !strings.Contains(string(out), "PASS: "+t.Name()+"/mount_point") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		mount, undo func(dir, file string) error
		cause       error
		hint        string
	}{
		{"full", func(dir, file string) error {
			return errors.Join(unix.Mount("none", dir, "tmpfs", 0, "size=12k,mode=700"),
				os.WriteFile(file, []byte("old"), 0o600), os.WriteFile(dir+"/full", make([]byte, 4096), 0o600))
		}, func(dir, _ string) error { return os.Remove(dir + "/full") }, unix.ENOSPC, "df -h"},
		{"read-only", func(dir, file string) error {
			return errors.Join(os.WriteFile(file, []byte("old"), 0o600), unix.Mount(dir, dir, "", unix.MS_BIND, ""),
				unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}, func(dir, _ string) error { return unix.Unmount(dir, 0) }, unix.EROFS, "ReadWritePaths="},
		{"mount point", func(_, file string) error {
			return errors.Join(os.WriteFile(file, []byte("old"), 0o600), unix.Mount(file, file, "", unix.MS_BIND, ""))
		}, func(_, file string) error { return unix.Unmount(file, 0) }, unix.EBUSY, "mount the directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t)
			file := dir + "/file"
			if err := tt.mount(dir, file); err != nil {
				t.Fatal(err)
			}
			target := targetAt(file, "password")
			err := target.Store(t.Context(), []login.Login{loginFor(hostA, strings.Repeat("long", 40))})
			if wantFault(t, err, "", tt.hint); !errors.Is(err, tt.cause) {
				t.Errorf("got %v", err)
			}
			if got := contentOfFile(t, file); got != "old" {
				t.Errorf("the file holds %q", got)
			}
			if err := tt.undo(dir, file); err != nil {
				t.Fatal(err)
			}
			store(t, target, loginFor(hostA, strings.Repeat("long", 40)))
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("left %v, %v", entries, err)
			}
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		})
	}
}
