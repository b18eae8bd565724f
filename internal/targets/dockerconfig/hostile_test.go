package dockerconfig

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
)

func TestALockThatIsKeptForEverDoesNotStopAStore(t *testing.T) {
	t.Parallel()
	target, path := newTarget(t)
	write(t, path, `{}`)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	atWork := filepath.Join(filepath.Dir(path), ".config.json.ecr-refreshd-new") // of who has the lock
	write(t, atWork, "another session's")
	store(t, target, logins("pw")...)
	wantStale(t, target, false, logins("pw")...)
	if got := read(t, atWork); got != "another session's" {
		t.Errorf("the file of another session has %q", got)
	}
	if err := os.Remove(atWork); err != nil {
		t.Fatal(err)
	}
	wantTidy(t, path)
}

func TestAFileThatStaysUnfinishedIsNotWaitedForForEver(t *testing.T) {
	tests := []struct {
		name, content string
		touched       bool // all the time; otherwise once, an hour ahead
	}{
		{"broken, from the future", `{"auths":`, false},
		{"empty, from the future", ``, false},
		{"broken, touched all the time", `{"auths":`, true},
		{"empty, touched all the time", ``, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target, path := newTarget(t)
			write(t, path, tt.content)
			future := time.Now().Add(time.Hour)
			if err := os.Chtimes(path, future, future); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var toucher sync.WaitGroup
			if tt.touched {
				toucher.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							_ = os.Chtimes(path, time.Now(), time.Now())
						}
					}
				})
			}
			err := target.Store(t.Context(), logins("pw"))
			close(stop)
			toucher.Wait()
			if tt.content != "" {
				wantFault(t, err, nil, "correct")
			} else if !errors.Is(err, errRestless) && (err != nil || len(auths(t, path)) != 2) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestALinkIntoAProcessLeadsNowhere(t *testing.T) { forBoth(t, aLinkIntoAProcess) }

func aLinkIntoAProcess(t *testing.T, f *format) {
	for _, self := range []string{"self", "thread-self"} {
		for _, link := range []string{
			"ln -s /proc/%s/fd/%d .docker",
			"mkdir .docker; ln -s /proc/%s/fd/%d/config.json .docker/config.json",
			"mkdir .docker; ln -s /proc/%s/fd/%d/new.json .docker/config.json",
			"ln -s / $HOME/up; ln -s $HOME/up/proc/%s/fd/%d/../theirs .docker",
		} {
			t.Run(self+" "+link, func(t *testing.T) {
				r := newResidentOf(t, f)
				name := filepath.Base(r.path)
				theirs := filepath.Join(r.vault, "theirs") // the account's, where it cannot go
				write(t, filepath.Join(theirs, name), `{}`)
				if err := errors.Join(os.Chown(theirs, testUID, testGID), os.Chown(filepath.Join(theirs, name), testUID, testGID)); err != nil {
					t.Fatal(err)
				}
				open, err := os.Open(theirs)
				if err != nil {
					t.Fatal(err)
				}
				defer open.Close()
				r.run(t, fmt.Sprintf(link, self, open.Fd()))
				wantFault(t, r.Store(t.Context(), logins("pw")), unix.EACCES, "chown")
				wantStale(t, r.Target, true, logins("pw")...)
				if l, _ := (site{path: r.path, format: docker, as: r.Account}).look(nil, maxSize); l != nil {
					t.Error("the file was read")
				}
				wantTidy(t, filepath.Join(theirs, name))
				if read(t, filepath.Join(theirs, name)) != "{}" {
					t.Error("the file was changed")
				}
			})
		}
	}
}

const strangerUID = 1_234_509

func TestAnAccountGoesWhereNoStrangerDecides(t *testing.T) { forBoth(t, noStrangerDecides) }

func noStrangerDecides(t *testing.T, f *format) {
	tests := []struct {
		name    string
		prepare func(r *resident) error
		hint    string // of the fault; "": the store succeeds
	}{
		{"home of its own", func(*resident) error { return nil }, ""},
		{"home behind a link of root's", func(r *resident) error {
			return errors.Join(os.Rename(r.Home, r.Home+".real"), os.Symlink(r.Home+".real", r.Home))
		}, ""},
		{"dotfile manager", func(r *resident) error {
			return r.command("umask 002; mkdir -p dotfiles/d .docker; ln -s $HOME/dotfiles/d/c.json .docker/config.json").Run()
		}, ""},
		{"directory that its own group may write to", func(r *resident) error {
			return r.command("mkdir -m 775 .docker").Run()
		}, ""},
		{"directory in a shared one", func(r *resident) error {
			return errors.Join(os.Chmod(r.Home, 0o777|os.ModeSticky), os.Chown(r.Home, 0, 0), mkdirs(r, testUID, 0o700))
		}, ""},
		{"directory that all may write to", func(r *resident) error {
			return r.command("mkdir .docker; chmod 777 .docker").Run()
		}, "chmod go-w"},
		{"home that all may write to", func(r *resident) error { return os.Chmod(r.Home, 0o777) }, "chmod go-w"},
		{"directory that another group may write to", func(r *resident) error {
			return r.command(fmt.Sprintf("mkdir .docker; chgrp %d .docker; chmod 770 .docker", testGroup)).Run()
		}, "chmod g-w"},
		{"directory that its access control list opens to a stranger", func(r *resident) error {
			list := []byte{2, 0, 0, 0} // its version, then tag, permissions and id of each entry
			for _, e := range [][3]uint32{{0x01, 7, ^uint32(0)}, {0x02, 7, strangerUID}, {0x04, 7, ^uint32(0)}, {0x10, 7, ^uint32(0)}, {0x20, 0, ^uint32(0)}} {
				list = binary.LittleEndian.AppendUint32(list, e[0]|e[1]<<16)
				list = binary.LittleEndian.AppendUint32(list, e[2])
			}
			return errors.Join(r.command("mkdir .docker").Run(), unix.Setxattr(r.dir, "system.posix_acl_access", list, 0))
		}, "setfacl -b"},
		{"directory of a stranger", func(r *resident) error {
			return mkdirs(r, strangerUID, 0o770)
		}, "chown -h 1234501"},
		{"link of a stranger's", func(r *resident) error {
			return errors.Join(r.command("mkdir real; ln -s $HOME/real .docker").Run(), os.Lchown(r.dir, strangerUID, testGID))
		}, "chown -h 1234501"},
		{"not there yet in a shared directory", func(r *resident) error { return os.Chmod(r.Home, 0o777|os.ModeSticky) }, "chmod go-w"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newResidentOf(t, f)
			if err := tt.prepare(r); err != nil {
				t.Fatal(err)
			}
			err := r.Store(t.Context(), logins("pw"))
			if tt.hint != "" {
				wantFault(t, err, nil, tt.hint)
				return
			}
			if err != nil || len(auths(t, r.path)) != 2 {
				t.Errorf("got %v", err)
			}
			wantStale(t, r.Target, false, logins("pw")...)
		})
	}
}

// mkdirs makes the directory of the file, as this account's.
func mkdirs(r *resident, uid int, mode os.FileMode) error {
	err := os.MkdirAll(r.dir, 0o700)
	for dir := r.dir; err == nil && dir != r.Home; dir = filepath.Dir(dir) {
		err = errors.Join(os.Chown(dir, testUID, testGID))
	}
	return errors.Join(err, os.Chown(r.dir, uid, testGID), os.Chmod(r.dir, mode))
}

func TestAUsersOwnProcessIsAsFreeAsTheUser(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.Mkdir(base+"/open", 0o700), os.Chmod(base+"/open", 0o777)); err != nil {
		t.Fatal(err)
	}
	dirfd, name, err := find(filetrust.Rule{Owners: []uint32{uint32(os.Geteuid()), 0}, Lenient: true}, base+"/open/.docker/config.json", 1)
	if err != nil || name != "config.json" {
		t.Fatalf("got %q, %v", name, err)
	}
	_ = unix.Close(dirfd)
	if mode(t, base+"/open/.docker") != 0o700 {
		t.Error("the directory was made too open")
	}
}

func TestWhatLiesBesideTheFileIsNeverRead(t *testing.T) { forBoth(t, whatLiesBesideTheFile) }

func whatLiesBesideTheFile(t *testing.T, f *format) {
	for _, uid := range []int{strangerUID, testUID} {
		r := newResidentOf(t, f)
		r.run(t, `mkdir .docker; echo '{"auths":{"x":{}}}' >.docker/config.json`)
		leftover := filepath.Join(r.dir, "."+filepath.Base(r.path)+".ecr-refreshd-new")
		write(t, leftover, `{"auths":{"never":{"auth":"eDp5"}}}`)
		if err := errors.Join(os.Chmod(leftover, 0o644), os.Chown(leftover, uid, testGID)); err != nil {
			t.Fatal(err)
		}
		store(t, r.Target, loginFor(hostA, "pw"))
		if got := auths(t, r.path); len(got) != 2 {
			t.Errorf("the file has %v", got)
		}
		wantTidy(t, r.path)
	}
}

func TestAFileOfAStrangerBecomesPrivate(t *testing.T) { forBoth(t, aFileOfAStranger) }

func aFileOfAStranger(t *testing.T, f *format) {
	r := newResidentOf(t, f)
	r.run(t, `mkdir .docker`)
	write(t, r.path, `{"auths":{"x":{}}}`)
	if err := errors.Join(os.Chmod(r.path, 0o666), os.Chown(r.path, strangerUID, testGID)); err != nil {
		t.Fatal(err)
	}
	if err := r.Store(t.Context(), []login.Login{loginFor(hostA, "pw")}); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, r.path)
	if got := mode(t, r.path); got != 0o600 {
		t.Errorf("mode is %o", got)
	}
}
