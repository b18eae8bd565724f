package passwordfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// home is a directory that only this process can change, all the way up.
func home(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func targetAt(path, format string) *Target {
	return newTarget(settings{Path: path, Format: format, Mode: 0o600})
}

func store(t *testing.T, target *Target, logins ...login.Login) {
	t.Helper()
	if err := target.Store(t.Context(), logins); err != nil {
		t.Fatal(err)
	}
}

func contentOfFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// wantStale asks whether the logins are undone, as renew does every second.
func wantStale(t *testing.T, target *Target, want bool, logins ...login.Login) {
	t.Helper()
	if got, err := target.Stale(t.Context(), logins); got != want || err != nil {
		t.Errorf("Stale is %v, %v, want %v", got, err, want)
	}
}

func TestAFileForEachHost(t *testing.T) {
	dir := home(t)
	target := targetAt(dir+"/{account}-{region}", "password")
	a, b := loginFor(hostA, "one"), loginFor("public.ecr.aws", "one")
	store(t, target, a, b)
	for _, name := range []string{"111122223333-us-east-1", "public-us-east-1"} {
		if got := contentOfFile(t, dir+"/"+name); got != passwordOf("one") {
			t.Errorf("%s holds %q", name, got)
		}
	}
	wantStale(t, target, false, a, b)
	if err := target.Remove(t.Context(), []login.Login{a}); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "public-us-east-1" {
		t.Errorf("left %v, %v", entries, err)
	}
}

// What others do to the file is seen by the next look, and the next Store puts it right.
func TestWhatOthersDoIsUndone(t *testing.T) {
	a, b := loginFor(hostA, "one"), loginFor(hostB, "two")
	tests := []struct {
		name string
		do   func(path string) error
	}{
		{"deleted", os.Remove},
		{"written to in place", func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) }},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }},
		{"replaced", func(path string) error {
			return errors.Join(os.WriteFile(path+"~", []byte("x"), 0o600), os.Rename(path+"~", path))
		}},
		{"opened to everybody", func(path string) error { return os.Chmod(path, 0o666) }},
		{"opened to readers", func(path string) error { return os.Chmod(path, 0o644) }},
		{"directory deleted", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }},
	}
	for _, tt := range tests {
		for _, format := range []string{"password", "env", "dockerconfigjson"} {
			t.Run(tt.name+" "+format, func(t *testing.T) {
				path := home(t) + "/dir/file"
				target := targetAt(path, format)
				all := []login.Login{a, b}
				if target.single() {
					all = all[:1]
				}
				for _, l := range all {
					store(t, target, l)
				}
				before := contentOfFile(t, path)
				wantStale(t, target, false, all...)
				if err := tt.do(path); err != nil {
					t.Fatal(err)
				}
				for _, l := range all {
					wantStale(t, target, true, l)
				}
				for _, l := range all { // each grant for itself
					if stale, _ := target.Stale(t.Context(), []login.Login{l}); stale {
						store(t, target, l)
					}
				}
				wantStale(t, target, false, all...)
				info, err := os.Stat(path)
				if err != nil || info.Mode() != 0o600 || contentOfFile(t, path) != before && format != "env" || len(contentOfFile(t, path)) < len(before) {
					t.Errorf("%v, %v: %q, before it was %q", info.Mode(), err, contentOfFile(t, path), before)
				}
			})
		}
	}
}

func TestStoreOfWhatIsThereWritesNothing(t *testing.T) {
	path := home(t) + "/file"
	store(t, targetAt(path, "dockerconfigjson"), loginFor(hostA, "one"))
	var before, after unix.Stat_t
	if err := unix.Stat(path, &before); err != nil {
		t.Fatal(err)
	}
	another := targetAt(path, "dockerconfigjson") // as after a reload
	store(t, another, loginFor(hostA, "one"))
	if err := unix.Stat(path, &after); err != nil || fingerprintOf(&before) != fingerprintOf(&after) {
		t.Errorf("it was written again, %v", err)
	}
	wantStale(t, another, false, loginFor(hostA, "one"))
}

func TestRemoveAndForgetLeaveWhatIsNotOurs(t *testing.T) {
	dir := home(t)
	target := targetAt(dir+"/x-{host}", "password")
	a, b := loginFor(hostA, "one"), loginFor(hostB, "one")
	store(t, target, a, b)
	mine := filepath.Join(dir, "x-"+hostA)
	if err := os.WriteFile(mine, []byte("a person's"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "y-"+hostA)
	if err := os.WriteFile(other, []byte(passwordOf("one")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := target.Remove(t.Context(), []login.Login{a}); err != nil {
		t.Fatal(err)
	}
	fresh := targetAt(dir+"/x-{host}", "password")
	if err := fresh.Forget(t.Context(), func(host string) bool { return host == hostA }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "x-"+hostB)); err != nil {
		t.Error("the file of a host that is not ours is gone")
	}
	if err := fresh.Forget(t.Context(), func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || contentOfFile(t, mine) != "a person's" || contentOfFile(t, other) != passwordOf("one") {
		t.Errorf("left %v, %v", entries, err)
	}
	missing := targetAt(dir+"/no/file", "password")
	if err := errors.Join(missing.Remove(t.Context(), []login.Login{a}), missing.Forget(t.Context(), func(string) bool { return true })); err != nil {
		t.Errorf("nothing to remove is an error: %v", err)
	}
}

// One grant's logins expire, and no other's counts as undone.
func TestRemoveUndoesNoOtherGrant(t *testing.T) {
	target := targetAt(home(t)+"/file", "env")
	a, b := loginFor(hostA, "one"), loginFor(hostB, "two")
	store(t, target, a)
	store(t, target, b)
	if err := target.Remove(t.Context(), []login.Login{a}); err != nil {
		t.Fatal(err)
	}
	wantStale(t, target, false, b)
	wantStale(t, target, true, a)
}

// A reader that does nothing but open and read sees one whole password, and never an open file.
func TestNoReaderMeetsHalfAFile(t *testing.T) {
	path := home(t) + "/file"
	target := targetAt(path, "password")
	target.Mode = 0o400
	store(t, target, loginFor(hostA, "0"))
	stop, done, reading := make(chan struct{}), make(chan error, 1), make(chan struct{})
	var once sync.Once
	go func() {
		defer once.Do(func() { close(reading) })
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			content, err := os.ReadFile(path)
			info, statErr := os.Stat(path)
			if err != nil || statErr != nil {
				done <- errors.Join(err, statErr)
				return
			}
			if len(content) != len(passwordOf("0")) || info.Mode() != 0o400 {
				done <- fmt.Errorf("read %d bytes, mode %v", len(content), info.Mode())
				return
			}
			once.Do(func() { close(reading) })
		}
	}()
	<-reading
	for i := range 300 {
		store(t, target, loginFor(hostA, fmt.Sprint(i%10)))
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestGrantsInOneFileAtTheSameTime(t *testing.T) {
	path := home(t) + "/file"
	target, reloaded := targetAt(path, "dockerconfigjson"), targetAt(path, "dockerconfigjson")
	var wg sync.WaitGroup
	const grants = 20
	for i := range grants {
		which := []*Target{target, reloaded}[i%2]
		wg.Go(func() {
			if err := which.Store(t.Context(), []login.Login{loginFor(fmt.Sprintf("%012d.dkr.ecr.us-east-1.amazonaws.com", i), "one")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := strings.Count(contentOfFile(t, path), passwordOf("one")); got != grants {
		t.Errorf("%d of %d logins are there", got, grants)
	}
}

// The account of an entry without one is known only when its token comes.
func TestTwoRegistriesInOneFileAreRefused(t *testing.T) {
	target := targetAt(home(t)+"/{account}", "password")
	own, named := loginFor("111122223333.dkr.ecr.us-east-1.amazonaws.com", "one"), loginFor("111122223333.dkr.ecr.eu-west-1.amazonaws.com", "two")
	store(t, target, own)
	store(t, target, named)
	wantStale(t, target, true, own)
	err := target.Store(t.Context(), []login.Login{own})
	if !errors.Is(err, errShared) || !strings.Contains(fault.All(err)[0].Hint, "{host}") {
		t.Errorf("got %v", err)
	}
	wantStale(t, target, false, named)
}

func TestFaultsSayWhatToDo(t *testing.T) {
	tests := []struct {
		name, path string
		change     func(*settings)
		make       func(dir string) error
		why, hint  string
	}{
		{"no directory above", "a/b/file", nil, nil, "its directory is not there", "create "},
		{"a file as the directory", "a/file", nil, func(d string) error { return os.WriteFile(d+"/a", nil, 0o600) }, "not a directory", "namei"},
		{"a directory in the place", "file", nil, func(d string) error { return os.Mkdir(d+"/file", 0o700) }, "not a regular file", "move it away"},
		{"a FIFO in the place", "file", nil, func(d string) error { return syscall.Mkfifo(d+"/file", 0o600) }, "not a regular file", "move it away"},
		{"a link in the place", "file", nil, func(d string) error {
			return errors.Join(os.WriteFile(d+"/other", []byte("x"), 0o600), os.Symlink("other", d+"/file"))
		}, "not a regular file", "move it away"},
		{"unknown owner", "file", func(s *settings) { s.Owner = "no-such-account-here" }, nil, "no such account", "create the account"},
		{"unknown group", "file", func(s *settings) { s.Group = "no-such-group-here" }, nil, "no such account or group", "create the account or group"},
		{"a name that is too long", strings.Repeat("x", 300), nil, nil, "file name too long", "a shorter one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t)
			s := settings{Path: filepath.Join(dir, tt.path), Format: "password", Mode: 0o600}
			if tt.change != nil {
				tt.change(&s)
			}
			if tt.make != nil {
				if err := tt.make(dir); err != nil {
					t.Fatal(err)
				}
			}
			wantFault(t, newTarget(s).Store(t.Context(), []login.Login{loginFor(hostA, "one")}), tt.why, tt.hint)
		})
	}
}

func wantFault(t *testing.T, err error, why, hint string) {
	t.Helper()
	for _, f := range fault.All(err) {
		if f.Reason == fault.Local && strings.Contains(f.Error(), why) && strings.Contains(f.Hint, hint) && !strings.Contains(f.Error(), "(%!") {
			return
		}
	}
	t.Errorf("got %v with %+v, want %q and the hint %q", err, fault.All(err), why, hint)
}

// A person puts right what was wrong, and nothing has to be restarted.
func TestAFaultHeals(t *testing.T) {
	dir := home(t)
	target := targetAt(dir+"/a/b/file", "password")
	if err := target.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err == nil {
		t.Fatal("no error")
	}
	if err := os.Mkdir(dir+"/a", 0o700); err != nil {
		t.Fatal(err)
	}
	store(t, target, loginFor(hostA, "one"))
	wantStale(t, target, false, loginFor(hostA, "one"))
}

// A call ends with its context even while another holds the directory.
func TestACallEndsWithItsContext(t *testing.T) {
	target := targetAt(home(t)+"/file", "password")
	held, release := make(chan struct{}), make(chan struct{})
	go func() {
		_ = target.within(context.Background(), func(context.Context) error { close(held); <-release; return nil })
	}()
	<-held
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := target.Store(ctx, []login.Login{loginFor(hostA, "one")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWhatAKilledProcessLeftIsClearedAway(t *testing.T) {
	dir := home(t)
	old, young := filepath.Join(dir, temporary+"OLD"), filepath.Join(dir, temporary+"YOUNG")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	store(t, targetAt(dir+"/file", "password"), loginFor(hostA, "one"))
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("one that may be in use is gone")
	}
}

func TestWarningOfAFileThatEverybodyMayRead(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o444: true} {
		if got := newTarget(settings{Path: "/f", Mode: mode}).Warning(t.Context()) != ""; got != want {
			t.Errorf("%v: %v", mode, got)
		}
	}
}
