package dockerconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

func TestStoreMakesAFileThatIsPrivate(t *testing.T) {
	target, path := newTarget(t)
	a, b := loginFor(hostA, "pw"), loginFor(hostB, "pw")
	wantStale(t, target, true, a)
	store(t, target, a, b)
	if got := auths(t, path); len(got) != 2 || got[hostA] != a.Basic().Reveal() || got[hostB] != b.Basic().Reveal() {
		t.Errorf("stored %v", got)
	}
	if mode(t, path) != 0o600 || mode(t, filepath.Dir(path)) != 0o700 {
		t.Errorf("modes %o and %o", mode(t, path), mode(t, filepath.Dir(path)))
	}
	wantStale(t, target, false, a, b)
	wantTidy(t, path)
}

func TestStoreKeepsModeAndWritesOnlyWhatChanged(t *testing.T) {
	target, path := newTarget(t)
	write(t, path, `{"z": 1, "auths": {"other": {"auth": "eDp5"}}}`)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	store(t, target, loginFor(hostA, "pw"))
	if mode(t, path) != 0o640 {
		t.Errorf("mode is %o", mode(t, path))
	}
	if got := read(t, path); !strings.HasPrefix(got, "{\n\t\"z\": 1,\n\t\"auths\": {\n\t\t\"other\": {\"auth\": \"eDp5\"},\n\t\t\""+hostA+"\": {\n\t\t\t\"auth\": \"") {
		t.Errorf("file is %s", got)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	store(t, target, loginFor(hostA, "pw"))
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Error("a store that changes nothing has written the file")
	}
	wantTidy(t, path)
}

func TestStaleTellsWhatOthersUndo(t *testing.T) {
	l := loginFor(hostA, "pw")
	entry := `"` + hostA + `":{"auth":"` + l.Basic().Reveal() + `"}`
	tests := []struct {
		name string
		undo func(path string) error
		want bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"logout", replaceWith(`{"auths":{}}`), true},
		{"another login", replaceWith(`{"auths":{"` + hostA + `":{"auth":"eDp5"}}}`), true},
		{"entry of others changed", replaceWith(`{"auths":{"x":{},` + entry + `}}`), false},
		{"double", replaceWith(`{"auths":{"https://` + hostA + `":{"auth":"eDp5"},` + entry + `}}`), true},
		{"identity token beside it", replaceWith(`{"auths":{"` + hostA + `":{"auth":"` + l.Basic().Reveal() + `","identitytoken":"x"}}}`), true},
		{"credsStore", replaceWith(`{"auths":{` + entry + `},"credsStore":"pass"}`), true},
		{"credHelpers", replaceWith(`{"auths":{` + entry + `},"credHelpers":{"` + hostA + `":"pass"}}`), true},
		{"our own helper", replaceWith(`{"auths":{` + entry + `},"credHelpers":{"` + hostA + `":"ecr-refreshd"}}`), false},
		{"broken", replaceWith(`{"auths":`), true},
		{"file removed", os.Remove, true},
		{"directory removed", func(p string) error { return os.RemoveAll(filepath.Dir(p)) }, true},
		{"home removed", func(p string) error { return os.RemoveAll(filepath.Dir(filepath.Dir(p))) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, path := newTarget(t)
			store(t, target, l)
			wantStale(t, target, false, l)
			if err := tt.undo(path); err != nil {
				t.Fatal(err)
			}
			wantStale(t, target, tt.want, l)
			wantStale(t, target, tt.want, l)
		})
	}
}

func TestStaleTellsOfAWriteInPlaceOfTheSameSize(t *testing.T) {
	target, path := newTarget(t)
	l := loginFor(hostA, "pw")
	store(t, target, l)
	wantStale(t, target, false, l)
	if err := os.WriteFile(path, []byte(strings.Replace(read(t, path), `"auth"`, `"AUTH"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for { // a change in the same tick of the clock may hide for a moment
		stale, err := target.Stale(t.Context(), []login.Login{l})
		if err != nil {
			t.Fatal(err)
		}
		if stale {
			return
		}
	}
}

func TestRemoveLeavesWhatOthersStored(t *testing.T) {
	target, path := newTarget(t)
	a, b := loginFor(hostA, "pw"), loginFor(hostB, "pw")
	if err := target.Remove(t.Context(), []login.Login{a}); err != nil {
		t.Fatalf("nothing there yet: %v", err)
	}
	store(t, target, a, b)
	store(t, target, loginFor(hostB, "newer"))
	if err := target.Remove(t.Context(), []login.Login{a, b}); err != nil {
		t.Fatal(err)
	}
	got := auths(t, path)
	if _, there := got[hostA]; there || got[hostB] != loginFor(hostB, "newer").Basic().Reveal() {
		t.Errorf("left %v", got)
	}
}

func TestStoreReportsAHelperThatHidesTheLogin(t *testing.T) {
	target, path := newTarget(t)
	write(t, path, `{"credHelpers":{"`+hostA+`":"ecr-login"}}`)
	err := target.Store(t.Context(), []login.Login{loginFor(hostA, "pw"), loginFor(hostB, "pw")})
	wantFault(t, err, nil, `delete the key "`+hostA+`" under "credHelpers" in `+path)
	if got := fault.All(err)[0].Hosts; len(got) != 1 || got[0] != hostA {
		t.Errorf("hosts are %v", got)
	}
	if len(auths(t, path)) != 2 {
		t.Error("the login was not stored all the same")
	}
}

func TestStoreFollowsALinkInTheFilesPlace(t *testing.T) {
	tests := []struct{ name, target, dotfile string }{
		{"relative", "../dotfiles/docker.json", `{"a":1}`},
		{"dangling", "../dotfiles/docker.json", ""},
		{"to a link", "../dotfiles/link", `{"a":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, path := newTarget(t)
			dotfile := filepath.Join(filepath.Dir(path), "../dotfiles/docker.json")
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Mkdir(filepath.Dir(dotfile), 0o700),
				os.Symlink(dotfile, filepath.Join(filepath.Dir(dotfile), "link")), os.Symlink(tt.target, path)); err != nil {
				t.Fatal(err)
			}
			if tt.dotfile != "" {
				write(t, dotfile, tt.dotfile)
			}
			store(t, target, loginFor(hostA, "pw"))
			if got, err := os.Readlink(path); err != nil || got != tt.target {
				t.Errorf("the link is now %q, %v", got, err)
			}
			if len(auths(t, dotfile)) != 1 {
				t.Error("the file behind the link has no login")
			}
			wantTidy(t, path)
			wantStale(t, target, false, loginFor(hostA, "pw"))
		})
	}
}

func TestWhatIsNoConfigFileIsLeftAlone(t *testing.T) {
	sparse := func(p string) error {
		if err := os.WriteFile(p, []byte("{}"), 0o600); err != nil {
			return err
		}
		return os.Truncate(p, 1<<40)
	}
	loop := func(p string) error { return os.Symlink(filepath.Base(p), p) }
	tests := []struct {
		name  string
		make  func(path string) error
		cause error
		hint  string
	}{
		{"FIFO", func(p string) error { return unix.Mkfifo(p, 0o600) }, errNotRegular, "ls -ld"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, errNotRegular, "ls -ld"},
		{"link to a device", func(p string) error { return os.Symlink("/dev/zero", p) }, nil, ""},
		{"link to a directory", func(p string) error { return os.Symlink("../", p) }, errNotRegular, "ls -ld"},
		{"link to itself", loop, unix.ELOOP, "namei"},
		{"giant sparse file", sparse, errTooLarge, "put it aside"},
		{"broken JSON", replaceWith(`{"auths":{"s3cret":}`), nil, "correct"},
		{"a list", replaceWith(`["s3cret"]`), nil, "correct"},
		{"auths is a list", replaceWith(`{"auths":["s3cret"]}`), nil, "correct"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each may wait until a broken file is surely finished
			target, path := newTarget(t)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), tt.make(path)); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			wantFault(t, target.Store(t.Context(), []login.Login{loginFor(hostA, "pw")}), tt.cause, tt.hint)
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
				t.Errorf("it was touched: %v", err)
			}
			wantStale(t, target, true, loginFor(hostA, "pw"))
			wantTidy(t, path)
		})
	}
}

func TestAFileThatIsBeingWrittenInPlaceIsWaitedFor(t *testing.T) {
	for _, content := range []string{"", `{"auths":{"x":`} { // as seen after a shell has opened it with >
		target, path := newTarget(t)
		write(t, path, content)
		ctx, cancel := context.WithTimeout(t.Context(), 3*settleRetry)
		defer cancel()
		var writer sync.WaitGroup
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
		writer.Go(func() { // so that it is young for the whole test
			for now := now; ctx.Err() == nil; now = time.Now() {
				_ = os.Chtimes(path, now, now)
			}
		})
		if err := target.Store(ctx, logins("pw")); !errors.Is(err, context.DeadlineExceeded) || read(t, path) != content {
			t.Errorf("%q was not waited for: %v", content, err)
		}
		writer.Wait()
		write(t, path, `{"auths":{"x":{}}}`)
		store(t, target, logins("pw")...)
		if got := auths(t, path); len(got) != 3 {
			t.Errorf("the file has %v", got)
		}
	}
}

func TestStoreWaitsForAHomeThatIsNotThere(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	target := targetAt(t, filepath.Join(home, ".docker", "config.json"))
	l := loginFor(hostA, "pw")
	wantFault(t, target.Store(t.Context(), []login.Login{l}), errNoParent, home+" is waited for")
	wantStale(t, target, false, l)
	if err := target.Remove(t.Context(), []login.Login{l}); err != nil {
		t.Errorf("remove: %v", err)
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	wantStale(t, target, true, l)
	store(t, target, l)
}

func TestAnotherHolderOfTheLockIsWaitedForUntilTheContextEnds(t *testing.T) {
	target, path := newTarget(t)
	l := loginFor(hostA, "pw")
	store(t, target, l)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockRetry)
	defer cancel()
	err = target.Store(ctx, []login.Login{loginFor(hostB, "pw")})
	wantFault(t, err, context.DeadlineExceeded, "fuser")
	done := make(chan error, 1)
	go func() { done <- target.Store(t.Context(), []login.Login{loginFor(hostB, "pw")}) }()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || len(auths(t, path)) != 2 {
		t.Errorf("after the lock was free: %v", err)
	}
}

func TestNewTellsWhatToWriteInstead(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("DOCKER_CONFIG", "/etc/dc")
	tests := []struct {
		name string
		in   Options
		want string
	}{
		{"default", Options{}, "/etc/dc/config.json"},
		{"home", Options{Path: "~/x.json"}, "/home/me/x.json"},
		{"path", Options{Path: "/a/b"}, "/a/b"},
		{"user", Options{User: "ci"}, "~ci/.docker/config.json"},
		{"user and path", Options{User: "ci", Path: "/a/b"}, "/a/b as ci"},
		{"relative", Options{Path: "b.json"}, `path "b.json": not absolute; begin it with / or with ~/`},
		{"directory", Options{Path: "/b/"}, `path "/b/": a directory; name the file in it`},
		{"option for a user", Options{User: "-x"}, `user "-x": not the name of an account`},
	}
	for _, tt := range tests {
		target, err := New(tt.in)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = target.String()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAFileThatOthersCanReadIsWarnedOf(t *testing.T) {
	target, path := newTarget(t)
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: true, 0o604: true, 0o644: true, 0o622: false} {
		write(t, path, `{}`)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		store(t, target, logins("pw")...)
		warning := target.Warning(t.Context())
		if got := strings.Contains(warning, "chmod 600 "+path); got != want {
			t.Errorf("mode %#o: got %q", mode, warning)
		}
	}
}
