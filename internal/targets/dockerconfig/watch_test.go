package dockerconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhateverCanChangeWhatThePathLeadsToIsWatched(t *testing.T) {
	const file = "home/.docker/config.json"
	made := func(base string) error {
		return errors.Join(os.MkdirAll(base+"/home/.docker", 0o700), os.WriteFile(base+"/"+file, []byte(`{}`), 0o600))
	}
	tests := []struct {
		name         string
		make, change func(base string) error
	}{
		{"written in place", made, func(b string) error { return os.WriteFile(b+"/"+file, nil, 0o600) }},
		{"replaced", made, func(b string) error { return replaceWith(`{}`)(b + "/" + file) }},
		{"removed", made, func(b string) error { return os.Remove(b + "/" + file) }},
		{"closed to its owner", made, func(b string) error { return os.Chmod(b+"/"+file, 0) }},
		{"written by another name", func(b string) error {
			return errors.Join(made(b), os.Link(b+"/"+file, b+"/hard"))
		}, func(b string) error { return os.WriteFile(b+"/hard", nil, 0o600) }},
		{"directory renamed", made, func(b string) error { return os.Rename(b+"/home/.docker", b+"/home/x") }},
		{"home replaced", made, func(b string) error { return os.Rename(b+"/home", b+"/x") }},
		{"directory closed", made, func(b string) error { return os.Chmod(b+"/home/.docker", 0) }},
		{"file appears", func(b string) error { return os.MkdirAll(b+"/home/.docker", 0o700) }, made},
		{"directory appears", func(b string) error { return os.Mkdir(b+"/home", 0o700) }, made},
		{"home appears", func(string) error { return nil }, made},
		{"link points elsewhere", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/home/.docker", 0o700), os.WriteFile(b+"/a", nil, 0o600), os.Symlink("../../a", b+"/"+file))
		}, func(b string) error {
			return errors.Join(os.Symlink("../../b", b+"/x"), os.Rename(b+"/x", b+"/"+file))
		}},
		{"behind a link", func(b string) error {
			return errors.Join(os.MkdirAll(b+"/home/.docker", 0o700), os.Mkdir(b+"/real", 0o700), os.WriteFile(b+"/real/a", nil, 0o600),
				os.Symlink(b+"/real/a", b+"/"+file))
		}, func(b string) error { return replaceWith(`{}`)(b + "/real/a") }},
		{"appears behind a link of the directory", func(b string) error {
			return errors.Join(os.Mkdir(b+"/home", 0o700), os.Mkdir(b+"/real", 0o700), os.Symlink("../real", b+"/home/.docker"))
		}, func(b string) error { return os.WriteFile(b+"/real/config.json", nil, 0o600) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			base, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.make(base); err != nil {
				t.Fatal(err)
			}
			w, err := newWatches(filepath.Join(base, file))
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			if err := tt.change(base); err != nil {
				t.Fatal(err)
			}
			for range 100 { // each stands for noise beside the base, or a minute
				if changed, _ := w.wait(t.Context()); changed {
					return
				}
			}
			t.Error("the change was not noticed")
		})
	}
}

func TestOtherFilesInTheDirectoryAreNoChange(t *testing.T) {
	_, path := newTarget(t)
	write(t, path, `{}`)
	w, err := newWatches(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	go func() {
		for t.Context().Err() == nil {
			_ = os.WriteFile(path+".log", []byte("x"), 0o600)
			_ = os.Remove(path + ".log")
		}
	}()
	if changed, pause := w.wait(t.Context()); changed || pause == 0 {
		t.Errorf("changed %v, pause %v; want a pause, as it is costly to sort out", changed, pause)
	}
}

func TestAPathOfManyLinksIsNotWatchedWithoutEnd(t *testing.T) {
	base := t.TempDir()
	deep := base
	for range maxWatches {
		deep = filepath.Join(deep, "d")
	}
	if err := errors.Join(os.MkdirAll(deep, 0o700), os.Symlink("l", base+"/l")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{deep + "/config.json", base + "/l"} {
		if w, err := newWatches(path); err == nil {
			w.close()
			t.Errorf("%s is watched", path)
		}
	}
}

func TestNetworkFileSystemsAreLookedAt(t *testing.T) {
	for kind, want := range map[uint32]bool{unix.NFS_SUPER_MAGIC: true, unix.FUSE_SUPER_MAGIC: true, unix.V9FS_MAGIC: true,
		unix.SMB2_SUPER_MAGIC: true, unix.EXT4_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false, unix.OVERLAYFS_SUPER_MAGIC: false} {
		if got := hidesChanges(kind); got != want {
			t.Errorf("%#x: got %v", kind, got)
		}
	}
}

// told makes a function for Watch and what waits until it was called since the last time.
func told() (changed func(), await func()) {
	calls := make(chan struct{}, 1)
	return func() {
		select {
		case calls <- struct{}{}:
		default:
		}
	}, func() { <-calls }
}

func TestAllWhoWatchAreToldUntilTheyEnd(t *testing.T) {
	target, path := newTarget(t)
	store(t, target, logins("pw")...)
	first, endFirst := context.WithCancel(t.Context())
	second, endSecond := context.WithCancel(t.Context())
	changed, awaitFirst := told()
	target.Watch(first, changed)
	awaitFirst()
	changed, awaitSecond := told()
	target.Watch(second, changed)
	for range 3 {
		write(t, path, `{}`)
		awaitFirst()
		awaitSecond()
		wantStale(t, target, true, logins("pw")...)
		store(t, target, logins("pw")...)
		wantStale(t, target, false, logins("pw")...)
	}
	endFirst()
	write(t, path, `{}`)
	awaitSecond()
	endSecond()
	for target.watchers() > 0 {
	}
	third, endThird := context.WithCancel(t.Context())
	defer endThird()
	changed, awaitThird := told()
	target.Watch(third, changed)
	awaitThird()
	write(t, path, ` {}`)
	awaitThird()
}

func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.changed)
}

func (p *place) watchers() int { return p.watch.count() }

func TestWithoutWatchesThePlaceIsLookedAt(t *testing.T) {
	target, path := newTarget(t)
	store(t, target, logins("pw")...)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	w, err := newWatches(path)
	changed, await := told()
	target.Watch(t.Context(), changed)
	await() // without a descriptor for a watch
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		if w != nil {
			w.close()
		}
		t.Errorf("new watches: got %v", err)
	}
	await() // as the file was changed not long ago
}

func TestAGlanceTellsOfWhatIsDifferentFromTheLast(t *testing.T) {
	target, path := newTarget(t)
	store(t, target, logins("pw")...)
	var last fingerprint
	steps := []struct {
		name       string
		change     func() error
		want, next bool
	}{
		{"the first", func() error { return nil }, true, true}, // as another change could look the same
		{"another file", func() error { return replaceWith(`{}`)(path) }, true, true},
		{"no file", func() error { return os.Remove(path) }, true, false},
		{"an old one", func() error { return os.Symlink("/etc/passwd", path) }, true, false},
		{"no home", func() error { return os.RemoveAll(filepath.Dir(filepath.Dir(path))) }, true, false},
	}
	for _, s := range steps {
		if err := s.change(); err != nil {
			t.Fatal(err)
		}
		if got := (site{path: path, format: docker}).glance(&last); got != s.want {
			t.Errorf("%s: got %v", s.name, got)
		}
		if got := (site{path: path, format: docker}).glance(&last); got != s.next {
			t.Errorf("%s: got %v soon after", s.name, got)
		}
	}
}
