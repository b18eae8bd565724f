package dockerconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
)

func inPlaceAt(t *testing.T, path string) *Target {
	t.Helper()
	target, err := New(Options{Path: path, InPlace: true})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestAFileInPlaceKeepsItsInode(t *testing.T) {
	_, path := newTarget(t)
	target := inPlaceAt(t, path)
	store(t, target, logins("pw")...) // which makes it
	was := inode(t, path)
	many := logins("pw")
	for i := range 50 {
		many = append(many, loginFor(fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", i), strings.Repeat("x", 3000)))
	}
	steps := []struct {
		name   string
		do     func() error
		logins int
	}{
		{"as long as before", func() error { return target.Store(t.Context(), logins("wp")) }, 2},
		{"longer", func() error { return target.Store(t.Context(), many) }, 52},
		{"shorter", func() error { return target.Remove(t.Context(), many[2:]) }, 2},
		{"empty", func() error {
			return target.Forget(t.Context(), func(string) bool { return true })
		}, 0},
		{"again", func() error { return target.Store(t.Context(), many) }, 52},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if inode(t, path) != was || mode(t, path) != 0o600 {
			t.Errorf("%s: another file", s.name)
		}
		content := read(t, path)
		if got := auths(t, path); len(got) != s.logins || strings.TrimSpace(content) != content {
			t.Errorf("%s: %d logins, %q at the end", s.name, len(got), content[max(0, len(content)-3):])
		}
		wantTidy(t, path)
	}
	wantStale(t, target, false, many...)
}

// What docker does to the file makes it another one; then that is kept.
func TestAFileInPlaceThatDockerReplacesIsTheNewOneFromThen(t *testing.T) {
	_, path := newTarget(t)
	target := inPlaceAt(t, path)
	store(t, target, logins("wp")...)
	later := inPlaceAt(t, path) // as after a restart
	store(t, later, logins("wp")...)
	for _, of := range []*Target{target, later} {
		if got := of.Warning(t.Context()); got != "" {
			t.Errorf("got %q", got)
		}
	}
	was := inode(t, path)
	keep, err := os.Open(path) // as a container does; and its number is not used again
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	if err := replaceWith(`{"auths":{"quay.io":{"auth":"eDp5"}}}`)(path); err != nil {
		t.Fatal(err)
	}
	wantStale(t, target, true, logins("wp")...)
	now := inode(t, path)
	store(t, target, logins("wp")...)
	if have := auths(t, path); len(have) != 3 || inode(t, path) != now || now == was {
		t.Errorf("logins are %v", have)
	}
	if got := target.Warning(t.Context()); !strings.Contains(got, "has replaced "+path) {
		t.Errorf("got %q", got)
	}
	store(t, target, logins("pw")...)
	if got := target.Warning(t.Context()); got != "" {
		t.Errorf("said again: %q", got)
	}
}

// collisions of a write in place with another program's, between the reading and the write.
func TestAWriteInPlaceIsMadeOfWhatIsThere(t *testing.T) {
	for name, change := range map[string]func(string) error{
		"replaced": replaceWith(`{"auths":{"y":{"auth":"dToy"}}}`),
		"written":  func(p string) error { return os.WriteFile(p, []byte(`{"auths":{"y":{"auth":"dToy"}}}`), 0o600) },
		"removed":  os.Remove,
		"a link":   func(p string) error { return errors.Join(os.Remove(p), os.Symlink("elsewhere", p)) },
	} {
		t.Run(name, func(t *testing.T) {
			_, path := newTarget(t)
			write(t, path, `{"auths":{"x":{"auth":"dTox"}}}`)
			s, err := openAt(t, path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			s.inPlace = true
			was, _, err := s.read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			if done, err := s.replace(was, parsed(t, []byte(`{"ours":1}`))); done || name != "a link" && err != nil {
				t.Errorf("done %v, %v", done, err)
			}
			if content, _ := os.ReadFile(path); strings.Contains(string(content), "ours") {
				t.Errorf("the file is %s", content)
			}
		})
	}
}

// A reader at every instant meets one of the two: a renewal of two long tokens changes
// nothing else. What is said of longer changes in overwrite, this counts and shows.
func TestReadersOfAFileInPlace(t *testing.T) {
	_, path := newTarget(t)
	target := inPlaceAt(t, path)
	renewals := 2000
	if testing.Short() {
		renewals = 200
	}
	long := func(c string) []login.Login { return logins(strings.Repeat(c, 2700)) }
	store(t, target, long("a")...)
	ctx, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reads, mixed := 0, 0
	reader.Go(func() {
		for ; ctx.Err() == nil; reads++ {
			content, err := os.ReadFile(path)
			if err != nil || !json.Valid(content) {
				t.Errorf("a reader met %d bytes that are no JSON, %v", len(content), err)
				return
			}
			for _, auth := range auths(t, path) {
				if a, b := loginFor(hostA, strings.Repeat("a", 2700)).Basic().Reveal(), loginFor(hostA, strings.Repeat("b", 2700)).Basic().Reveal(); auth != a && auth != b {
					mixed++
				}
			}
		}
	})
	for i := range renewals {
		store(t, target, long(string("ab"[i%2]))...)
	}
	stop()
	reader.Wait()
	t.Logf("%d renewals, %d reads, %d tokens half old and half new", renewals, reads, mixed)
}

func TestAFullDiskLeavesAFileInPlaceAsItWas(t *testing.T) {
	inMounts(t, func(t *testing.T) {
		_, path := newTarget(t)
		target := inPlaceAt(t, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("none", filepath.Dir(path), "tmpfs", 0, "size=8k,mode=700"); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(filepath.Dir(path), unix.MNT_DETACH)
		write(t, path, `{"a":1}`)
		if err := os.WriteFile(filepath.Dir(path)+"/full", make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		wantFault(t, target.Store(t.Context(), []login.Login{loginFor(hostA, strings.Repeat("x", 9000))}), unix.ENOSPC, "df -h")
		if got := read(t, path); got != `{"a":1}` {
			t.Errorf("the file is %q", got)
		}
	})
}

// As docker's -v FILE:FILE does it, and as the daemon in a container has its own file.
func TestAFileMountedByItselfSeesTheNewLogin(t *testing.T) {
	inMounts(t, func(t *testing.T) {
		_, path := newTarget(t)
		inside := filepath.Join(t.TempDir(), "config.json")
		write(t, path, `{"auths":{"quay.io":{"auth":"eDp5"}}}`)
		write(t, inside, ``)
		if err := unix.Mount(path, inside, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(inside, unix.MNT_DETACH)
		store(t, inPlaceAt(t, path), logins("pw")...)
		if got := auths(t, inside); len(got) != 3 {
			t.Errorf("inside, the logins are %v", got)
		}
		store(t, inPlaceAt(t, inside), logins("wp")...)
		if got := auths(t, path)[hostA]; got != loginFor(hostA, "wp").Basic().Reveal() {
			t.Errorf("outside, the login is %q", got)
		}
		store(t, targetAt(t, path), logins("gone")...)
		if got := auths(t, inside)[hostA]; got != loginFor(hostA, "wp").Basic().Reveal() {
			t.Errorf("replaced, and inside it is %q", got)
		}
	})
}

// inMounts runs the test again where what it mounts is seen by nobody else.
func inMounts(t *testing.T, test func(t *testing.T)) {
	if os.Geteuid() != 0 {
		skip(t, "to mount takes root")
	}
	if os.Getenv(insideNamespace) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		test(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		skip(t, "this machine allows no mounts: "+err.Error())
	}
	if err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}
