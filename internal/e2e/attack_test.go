package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/testbed"
)

// TestAccountsLeadARootDaemonNowhere lets one account play tricks with its own
// home, which a root daemon writes to. Nothing of root's changes, and the other
// account notices nothing.
func TestAccountsLeadARootDaemonNowhere(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudAttacks, 12*time.Second)
	host := s.cloud.hosts()[0]
	mallory, victim := s.bed.Account("mallory"), s.bed.Account("victim")
	theirs := filepath.Join(mallory.Home, ".docker")
	// Everybody may look into the directory, so that nothing but the rights to
	// the files keeps the daemon away.
	roots := filepath.Join(s.bed.Dir, "roots-own")
	canary := map[string]string{filepath.Join(roots, "config.json"): `{"auths":{}}`, filepath.Join(roots, "shadow"): "root:*:"}
	must(t, os.Mkdir(roots, 0o755))
	for path, content := range canary {
		must(t, os.WriteFile(path, []byte(content), 0o600))
	}
	before := look(t, roots)

	config := s.write("registries: [{host: " + host + "}]\n" + usersTargets("mallory", victim.Name) + s.settings(s.aws.Endpoint()))
	d := s.startDaemon(s.home(), config)
	defer s.spy(configOf(victim))()
	s.awaitAccepted(configOf(victim), host)
	s.awaitAccepted(configOf(mallory), host)
	stop := s.pulls(victim, s.engine, s.push(host, victim.Name))

	attacks := []struct {
		name string
		do   func() error
	}{
		{"directory is a link to root's", func() error { return link(mallory, roots, theirs) }},
		{"directory is a link to another account's", func() error { return link(mallory, filepath.Dir(configOf(victim)), theirs) }},
		{"file is a link to root's", func() error {
			return errors.Join(directory(mallory, theirs), link(mallory, filepath.Join(roots, "config.json"), configOf(mallory)))
		}},
		{"file is a hard link to root's", func() error {
			return errors.Join(directory(mallory, theirs), os.Link(filepath.Join(roots, "shadow"), configOf(mallory)))
		}},
		{"file is a FIFO", func() error {
			return errors.Join(directory(mallory, theirs), unix.Mkfifo(configOf(mallory), 0o600), os.Lchown(configOf(mallory), mallory.UID, mallory.GID))
		}},
		{"file is a device", func() error {
			return errors.Join(directory(mallory, theirs), link(mallory, "/dev/zero", configOf(mallory)))
		}},
	}
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			s, d := s.in(t), d.in(t)
			mark := d.log.mark()
			must(t, replaceBy(theirs, attack.do))
			first := d.awaitAfter(mark, "login not stored", `"target":"mallory"`)
			if first.Level != "error" || first.Hint == "" || !strings.Contains(first.Error, "mallory") {
				t.Errorf("got %s; want an error that names the account and has a hint", first.raw)
			}
			// The next token is stored for the other account and again not for this one.
			next := d.log.mark()
			d.signal(syscall.SIGUSR1)
			d.awaitAfter(next, "login stored", `"target":"victim"`)
			d.awaitAfter(next, "login not stored", `"target":"mallory"`)
			loud := slices.DeleteFunc(d.log.loud(mark), func(l line) bool { return l.Target != "mallory" })
			if len(loud) != 1 {
				t.Errorf("%d lines, want one:", len(loud))
				for _, l := range loud {
					t.Error(l.raw)
				}
			}
			mark = d.log.mark()
			must(t, replaceBy(theirs, func() error { return nil }))
			d.awaitAfter(mark, "login stored again", `"target":"mallory"`)
			s.awaitAccepted(configOf(mallory), host)
		})
	}
	t.Run("directory is swapped all the time", func(t *testing.T) {
		s, d := s.in(t), d.in(t)
		trap := theirs + ".trap"
		must(t, link(mallory, roots, trap))
		defer os.Remove(trap)
		quit, done := make(chan struct{}), make(chan struct{})
		swaps := 0
		go func() {
			defer close(done)
			for {
				select {
				case <-quit:
					return
				default:
				}
				if unix.Renameat2(unix.AT_FDCWD, theirs, unix.AT_FDCWD, trap, unix.RENAME_EXCHANGE) == nil {
					swaps++
				}
				time.Sleep(100 * time.Microsecond) // a rival, not a wait: the other tests need the machine too
			}
		}()
		for range 5 {
			next := d.log.mark()
			d.signal(syscall.SIGUSR1)
			d.awaitAfter(next, "token renewed")
			d.awaitAfter(next, "login stored", `"target":"victim"`)
		}
		close(quit)
		<-done
		mark := d.log.mark()
		must(t, replaceBy(theirs, func() error { return nil }))
		d.signal(syscall.SIGUSR1)
		d.awaitAfter(mark, "token renewed")
		s.awaitAccepted(configOf(mallory), host)
		t.Logf("%d swaps", swaps)
	})

	s.noneFailed(stop(), nil)
	for path, content := range canary {
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s holds %q (%v), want %q", path, got, err, content)
		}
	}
	if after := look(t, roots); after != before {
		t.Errorf("root's directory was\n%sand is\n%s", before, after)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// replaceBy lets do put something in the place of the directory.
func replaceBy(dir string, do func() error) error {
	return errors.Join(os.RemoveAll(dir), do())
}

func directory(as testbed.Account, path string) error {
	return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, as.UID, as.GID))
}

func link(as testbed.Account, target, path string) error {
	return errors.Join(os.Symlink(target, path), os.Lchown(path, as.UID, as.GID))
}

// look describes everything below dir.
func look(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintln(&all, path, "inode", st.Ino, "owner", st.Uid, st.Gid, info.Mode(), info.ModTime())
		return nil
	}))
	return all.String()
}
