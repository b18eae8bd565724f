package dockerconfig

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
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
)

// The ids of an account that nothing else on this machine uses; the kernel needs no
// entry in any database for it.
const (
	testUID   = 1_234_501
	testGID   = 1_234_502
	testGroup = 1_234_503
)

// resident is an account with a home, and a target that root keeps there.
type resident struct {
	*Target
	*osuser.Account
	path  string // of its file
	dir   string // of the file
	vault string // a directory that only root may enter
}

func newResident(t *testing.T) *resident { return newResidentOf(t, docker) }

// forBoth runs a test for a config.json and for an auth.json: what an account may try is the same.
func forBoth(t *testing.T, test func(t *testing.T, f *format)) {
	for _, f := range []*format{docker, containers} {
		t.Run(f.client, func(t *testing.T) { test(t, f) })
	}
}

func newResidentOf(t *testing.T, f *format) *resident {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "acting as another account takes root")
	}
	base := t.TempDir()
	if err := os.Chmod(filepath.Dir(base), 0o755); err != nil {
		t.Fatal(err)
	}
	r := &resident{Account: &osuser.Account{Name: "resident", UID: testUID, GID: testGID, Groups: []int{testGID, testGroup},
		Home: filepath.Join(base, "home")}, vault: filepath.Join(base, "vault")}
	r.path = filepath.Join(r.Home, ".docker", "config.json")
	if f == containers {
		r.path = filepath.Join(r.Home, ".config", "containers", "auth.json")
	}
	r.dir = filepath.Dir(r.path)
	if err := errors.Join(os.Mkdir(r.Home, 0o700), os.Chown(r.Home, testUID, testGID), os.Mkdir(r.vault, 0o700)); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.Target, err = New(Options{User: r.Name, Containers: f == containers}); err != nil {
		t.Fatal(err)
	}
	r.find = func(context.Context, string) (*osuser.Account, error) { return r.Account, nil }
	return r
}

// run runs a shell command as the account. In it, .docker/config.json is the file of either kind.
func (r *resident) run(t *testing.T, command string) {
	t.Helper()
	if out, err := r.command(command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func (r *resident) command(command string) *exec.Cmd {
	if r.format == containers && strings.Contains(command, ".docker") {
		command = "mkdir -p .config; " + strings.NewReplacer(".docker", ".config/containers", "config.json", "auth.json").Replace(command)
	}
	cmd := exec.Command("/bin/sh", "-ec", command)
	cmd.Dir = r.Home
	cmd.Env = append(os.Environ(), "HOME="+r.Home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL,
		Credential: &syscall.Credential{Uid: testUID, Gid: testGID, Groups: []uint32{testGID, testGroup}}}
	return cmd
}

// TestAFileElsewhereIsWrittenAsTheAccount: an agent's DOCKER_CONFIG, a home that was moved, a snap.
func TestAFileElsewhereIsWrittenAsTheAccount(t *testing.T) {
	r := newResident(t)
	elsewhere, closed := filepath.Join(r.Home, "agent", "config.json"), filepath.Join(r.vault, "config.json")
	at := func(path string) *Target {
		target, err := New(Options{Path: path, User: r.Name})
		if err != nil {
			t.Fatal(err)
		}
		target.find = r.find
		return target
	}
	r.run(t, "mkdir agent")
	if err := at(elsewhere).Store(t.Context(), loginsOf(hostA)); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, elsewhere)
	if _, err := os.Lstat(filepath.Dir(r.path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the account's home was changed besides: %v", err)
	}
	if err := at(closed).Store(t.Context(), loginsOf(hostA)); !errors.Is(err, unix.EACCES) {
		t.Errorf("root's directory: %v, want that the account may not go there", err)
	}
	if entries, err := os.ReadDir(r.vault); err != nil || len(entries) != 0 {
		t.Errorf("root's directory has %v, %v", entries, err)
	}
	wantOnlyRootThreads(t)
}

// wantOwner wants a file or directory of the account.
func wantOwner(t *testing.T, path string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Uid != testUID || st.Gid != testGID {
		t.Errorf("%s belongs to %d:%d, %v", path, st.Uid, st.Gid, err)
	}
}

func TestRootWritesAsTheAccountAndStaysRoot(t *testing.T) { forBoth(t, rootWritesAsTheAccount) }

func rootWritesAsTheAccount(t *testing.T, f *format) {
	r := newResidentOf(t, f)
	l := loginFor(hostA, "pw")
	for range 50 {
		store(t, r.Target, l)
		if err := r.Remove(t.Context(), []login.Login{l}); err != nil {
			t.Fatal(err)
		}
	}
	store(t, r.Target, l)
	wantStale(t, r.Target, false, l)
	wantOwner(t, filepath.Dir(r.path))
	wantOwner(t, r.path)
	if mode(t, r.path) != 0o600 || mode(t, filepath.Dir(r.path)) != 0o700 {
		t.Error("the modes are too wide")
	}
	r.run(t, "test -w .docker/config.json && grep -q "+hostA+" .docker/config.json")
	wantTidy(t, r.path)
	wantOnlyRootThreads(t)
}

// wantOnlyRootThreads waits for the threads that were another account's to end,
// which the runtime does right after their goroutine.
func wantOnlyRootThreads(t *testing.T) {
	t.Helper()
	for {
		statuses, err := filepath.Glob("/proc/self/task/*/status")
		if err != nil || len(statuses) == 0 {
			t.Fatalf("threads: %v", err)
		}
		others := ""
		for _, name := range statuses {
			status, err := os.ReadFile(name)
			if err != nil {
				continue // it ended
			}
			if !strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n") || !strings.Contains(string(status), "\nGid:\t0\t0\t0\t0\n") {
				others += string(status)
			}
		}
		if others == "" {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("threads that are not root's: %s", others)
		}
	}
}

func TestAsGivesExactlyTheAccountsRights(t *testing.T) {
	r := newResident(t)
	var status []byte
	err := as(r.Account, func() (err error) {
		status, err = os.ReadFile("/proc/thread-self/status")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("Uid:\t0\t0\t0\t%d\n", testUID), fmt.Sprintf("Gid:\t0\t0\t0\t%d\n", testGID),
		fmt.Sprintf("Groups:\t%d %d \n", testGID, testGroup), "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
	} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in %s", want, status)
		}
	}
}

func TestTheMainThreadIsNeverGivenAway(t *testing.T) {
	r := newResident(t)
	for range 200 { // whichever thread a goroutine meets
		err := as(r.Account, func() error {
			if unix.Gettid() == unix.Getpid() {
				return errors.New("on the main thread")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheAccountLeadsRootNowhere(t *testing.T) { forBoth(t, theAccountLeadsRootNowhere) }

func theAccountLeadsRootNowhere(t *testing.T, f *format) {
	const canary = `{"auths":{"canary":{"auth":"s3cret"}}}`
	tests := []struct {
		name    string
		prepare string // run by the account in its home; $V is root's directory
		hint    string // of the fault; "": the store succeeds
	}{
		{"directory is a link to root's", `ln -s $V .docker`, "chown"},
		{"file is a link into root's directory", `mkdir .docker; ln -s $V/canary .docker/config.json`, "chown"},
		{"file is a link to a new file of root's", `mkdir .docker; ln -s $V/new .docker/config.json`, "chown"},
		{"file is a link to a file only root may read", `mkdir .docker; ln -s /etc/shadow .docker/config.json`, "chown"},
		{"file is a link by way of a process of root", `mkdir .docker; ln -s /proc/$P/cwd/canary .docker/config.json`, "chown"},
		{"directory is a link to a process of root's", `ln -s /proc/$P/cwd .docker`, "chown"},
		{"FIFO", `mkdir .docker; mkfifo .docker/config.json`, "ls -ld"},
		{"FIFO for the directory", `mkfifo .docker`, "namei"},
		{"link to a terminal", `mkdir .docker; ln -s /dev/tty .docker/config.json`, ""},
		{"leftover that is a link", `mkdir .docker; ln -s $V/canary .docker/.config.json.ecr-refreshd-new`, "-"},
		{"leftover that is a hard link to it", `mkdir .docker; echo '{}' >.docker/x; ln .docker/x .docker/.config.json.ecr-refreshd-new`, "-"},
		{"directory in our file's place", `mkdir -p .docker/.config.json.ecr-refreshd-new`, "-"},
		{"no right to write", `mkdir .docker; echo '{}' >.docker/config.json; chmod 500 .docker`, "chown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newResidentOf(t, f)
			write(t, filepath.Join(r.vault, "canary"), canary)
			process := exec.Command("/bin/sleep", "600")
			process.Dir = r.vault
			process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = process.Process.Kill()
				_ = process.Wait()
			}()
			r.run(t, fmt.Sprintf("V=%s P=%d; %s", r.vault, process.Process.Pid, tt.prepare))
			err := r.Store(t.Context(), []login.Login{loginFor(hostA, "pw")})
			if tt.hint == "-" {
				if err != nil {
					t.Fatal(err)
				}
			} else {
				wantFault(t, err, nil, tt.hint)
			}
			r.wantVault(t, canary)
			if tt.hint != "-" {
				wantStale(t, r.Target, true, loginFor(hostA, "pw"))
			}
		})
	}
}

// wantVault wants root's directory as it was.
func (r *resident) wantVault(t *testing.T, canary string) {
	t.Helper()
	entries, err := os.ReadDir(r.vault)
	if err != nil || len(entries) != 1 || read(t, filepath.Join(r.vault, "canary")) != canary {
		t.Errorf("root's directory was changed: %v, %v", entries, err)
	}
}

func TestAFileOfRootInTheWay(t *testing.T) { forBoth(t, aFileOfRootInTheWay) }

func aFileOfRootInTheWay(t *testing.T, f *format) {
	t.Run("that the account may not read", func(t *testing.T) {
		r := newResidentOf(t, f)
		r.run(t, "mkdir .docker")
		write(t, r.path, `{"auths":{"x":{}}}`)
		wantFault(t, r.Store(t.Context(), []login.Login{loginFor(hostA, "pw")}), unix.EACCES, "chown")
	})
	t.Run("that the account may read", func(t *testing.T) {
		r := newResidentOf(t, f)
		r.run(t, "mkdir .docker")
		write(t, r.path, `{"auths":{"x":{}}}`)
		if err := os.Chmod(r.path, 0o644); err != nil {
			t.Fatal(err)
		}
		store(t, r.Target, loginFor(hostA, "pw"))
		wantOwner(t, r.path)
		if got := mode(t, r.path); got != 0o604 {
			t.Errorf("mode is %o: the group is another, and may not read what root's group could", got)
		}
	})
	t.Run("hard-linked by the account", func(t *testing.T) {
		r := newResidentOf(t, f)
		r.run(t, "mkdir .docker")
		canary := filepath.Join(r.vault, "canary")
		write(t, canary, `{"auths":{"x":{}}}`)
		if err := errors.Join(os.Chmod(canary, 0o644), os.Link(canary, r.path)); err != nil {
			t.Fatal(err)
		}
		store(t, r.Target, loginFor(hostA, "pw"))
		r.wantVault(t, `{"auths":{"x":{}}}`)
	})
}

func TestDirectoriesThatSwapPlacesLeadNowhere(t *testing.T) { forBoth(t, directoriesThatSwapPlaces) }

func directoriesThatSwapPlaces(t *testing.T, f *format) {
	const canary = `{"auths":{"canary":{"auth":"s3cret"}}}`
	r := newResidentOf(t, f)
	name := filepath.Base(r.path)
	write(t, filepath.Join(r.vault, name), canary)
	write(t, filepath.Join(r.vault, "canary"), canary)
	r.run(t, fmt.Sprintf("mkdir .docker; mkdir real; ln -s %s link", r.vault))
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := r.command("exec /proc/self/fd/3") // the binary's directory may be closed to the account
	cmd.Env = append(cmd.Env, swappingChild+"="+r.dir)
	cmd.ExtraFiles = []*os.File{self}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stores := 300
	if testing.Short() {
		stores = 50
	}
	// The child may be slow to start: both must have happened.
	failed, done := 0, 0
	for end := time.Now().Add(time.Minute); (done < stores || failed == 0 || failed == done) && time.Now().Before(end); done++ {
		if r.Store(t.Context(), []login.Login{loginFor(hostA, fmt.Sprint(done))}) != nil {
			failed++
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, name := range []string{name, "canary"} {
		if read(t, filepath.Join(r.vault, name)) != canary {
			t.Errorf("%s in root's directory was changed", name)
		}
	}
	if entries, err := os.ReadDir(r.vault); err != nil || len(entries) != 2 {
		t.Errorf("root's directory has %v, %v", entries, err)
	}
	err = filepath.Walk(r.Home, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		wantOwner(t, path)
		if info.Mode().IsRegular() && strings.Contains(read(t, path), "canary") {
			t.Errorf("%s holds what only root may read", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed == 0 || failed == done {
		t.Errorf("%d of %d stores failed: the directories did not swap in between", failed, done)
	}
	t.Logf("%d stores, %d of them met root's directory and failed", done, failed)
}

// swappingChild names the directory that this binary is to swap with a link to
// root's directory, over and over, in place of running tests.
const swappingChild = "DOCKERCONFIG_TEST_SWAP_IN"

func swapForEver(dir string) {
	for {
		for _, other := range []string{"link", "real"} { // of the home, in which it was started
			_ = unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
		}
	}
}
