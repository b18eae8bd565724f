package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/testuser"
)

func TestMain(m *testing.M) {
	role, argument, _ := strings.Cut(testuser.Role(), " ")
	if role != "" {
		command, user, _ := strings.Cut(argument, " ")
		timeout, err := time.ParseDuration(os.Getenv("ECR_REFRESHD_TEST_TIMEOUT"))
		if err != nil {
			timeout = patience
		}
		err = newTarget(settings{Command: []string{command}, User: user, Timeout: timeout}).Store(context.Background(), []login.Login{loginFor(hostA, "one")})
		fmt.Println(err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	// daemonUser is an account of every host.
	daemonUser, daemonID = "daemon", 1
	other                = testuser.Other
)

// public makes a script in a directory that every user can reach.
func public(t *testing.T, script string) scene {
	t.Helper()
	testuser.NeedRoot(t)
	dir := testuser.Dir(t, 0o755)
	path := dir + "/hook"
	if err := errors.Join(os.WriteFile(path, []byte("#!/bin/sh\nD="+dir+"/out\n"+script+"\n"), 0o600), os.Chmod(path, 0o755),
		os.Mkdir(dir+"/out", 0o700), os.Chmod(dir+"/out", 0o777)); err != nil {
		t.Fatal(err)
	}
	return scene{newTarget(settings{Command: []string{path}, Timeout: patience}), dir + "/out"}
}

func TestItRunsAsItsUser(t *testing.T) {
	s := public(t, `id -u >$D/id; id -g >>$D/id; id -G >>$D/id; echo "$HOME $USER $LOGNAME" >>$D/id; grep CapEff /proc/self/status >>$D/id; cat >/dev/null`)
	s.User = daemonUser
	if err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err != nil {
		t.Fatal(err)
	}
	a, err := osuser.Lookup(t.Context(), daemonUser)
	if err != nil {
		t.Fatal(err)
	}
	groups := strings.Trim(fmt.Sprint(a.Groups), "[]")
	if c := s.commandOf(&osuser.Account{UID: other, GID: other, Groups: []int{7, 8}}, nil, new(tail)).SysProcAttr.Credential; !slices.Equal(c.Groups, []uint32{7, 8}) {
		t.Errorf("the groups are %v", c.Groups)
	}
	want := fmt.Sprintf("%d\n%d\n%s\n%s %s %s\nCapEff:\t0000000000000000", a.UID, a.GID, groups, a.Home, a.Name, a.Name)
	if got := s.read(t, "id"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestACommandThatOthersCouldChangeIsNotRun(t *testing.T) {
	tests := []struct {
		name, user string
		change     func(path, dir string) (command string, err error)
		why, hint  string // no why: it is run
	}{
		{"of root's", "", func(path, _ string) (string, error) { return path, nil }, "", ""},
		{"of another user's", "", func(path, _ string) (string, error) { return path, os.Chown(path, daemonID, daemonID) }, "belongs to uid 1", "chown -h 0"},
		{"of the user that it runs as", daemonUser, func(path, _ string) (string, error) { return path, os.Chown(path, daemonID, daemonID) }, "belongs to uid 1", "chown -h 0"},
		{"of a third", daemonUser, func(path, _ string) (string, error) { return path, os.Chown(path, other, other) }, "belongs to uid 47001", "chown -h 0"},
		{"that anybody may write", "", func(path, _ string) (string, error) { return path, os.Chmod(path, 0o757) }, "so that anybody could change what gets the logins", "chmod go-w"},
		{"that a group may write", "", func(path, _ string) (string, error) {
			return path, errors.Join(os.Chown(path, 0, 4711), os.Chmod(path, 0o775))
		}, "the group 4711 could change", "chmod g-w"},
		{"that the group of root may write, which the user is not", daemonUser, func(path, _ string) (string, error) {
			return path, errors.Join(os.Chown(path, 0, daemonID), os.Chmod(path, 0o775))
		}, "the group 1 could change", "chmod g-w"},
		{"in a directory that anybody may write", "", func(path, dir string) (string, error) { return path, os.Chmod(dir, 0o777) }, "so that anybody could change", "chmod go-w"},
		{"by a link of another user's", "", func(path, dir string) (string, error) {
			return dir + "/l", errors.Join(os.Symlink(path, dir+"/l"), os.Lchown(dir+"/l", daemonID, daemonID))
		}, "belongs to uid 1", "chown -h 0"},
		{"where a link leads", "", func(path, dir string) (string, error) {
			return dir + "/l", errors.Join(os.Symlink(path, dir+"/l"), os.Chown(path, daemonID, daemonID))
		}, "belongs to uid 1", "correct the symbolic link"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := public(t, `echo >$D/ran; cat >/dev/null`)
			dir := strings.TrimSuffix(s.dir, "/out")
			command, err := tt.change(s.Command[0], dir)
			if err != nil {
				t.Fatal(err)
			}
			s.Command, s.User = []string{command}, tt.user
			err = s.Store(t.Context(), []login.Login{loginFor(hostA, "one")})
			_, missing := os.Stat(s.dir + "/ran")
			if tt.why == "" {
				if err != nil || missing != nil {
					t.Errorf("it is not run: %v", err)
				}
				return
			}
			wantFault(t, err, tt.why, tt.hint)
			if missing == nil {
				t.Error("it was run")
			}
		})
	}
}

func TestWithoutCapabilitiesThereIsNoOtherUser(t *testing.T) {
	s := public(t, `echo >$D/ran`)
	out, err := testuser.Play(t, "store "+s.Command[0]+" "+daemonUser, "", testuser.As(other, other)).Output()
	if err != nil || !strings.Contains(string(out), `as "daemon": fork/exec`) || !strings.Contains(string(out), "operation not permitted") {
		t.Errorf("got %q, %v", out, err)
	}
	wantHint := newTarget(settings{Command: s.Command, User: daemonUser}).hint(unix.EPERM)
	if !strings.Contains(wantHint, "CAP_SETUID") {
		t.Errorf("the hint is %q", wantHint)
	}
	if _, err := os.Stat(s.dir + "/ran"); err == nil {
		t.Error("it was run")
	}
}

// A service has the capabilities to take identities as ambient ones, which what it starts would
// inherit, whatever its user.
// A process that may take an account's identity but not end its processes, as a service with CAP_SETUID
// alone, is not held up by a command that hangs.
func TestWhatCannotBeKilledIsNotWaitedFor(t *testing.T) {
	s := public(t, `echo $$ >$D/pid; exec sleep 1000`)
	s.User = daemonUser
	attr := testuser.As(other, other)
	attr.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID}
	cmd := testuser.Play(t, "store "+s.Command[0]+" "+daemonUser, "", attr)
	cmd.Env = append(cmd.Env, "ECR_REFRESHD_TEST_TIMEOUT=300ms")
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), errStuck.Error()) {
		t.Errorf("got %q, %v", out, err)
	}
	await(t, "pid", func() bool { c, _ := os.ReadFile(s.dir + "/pid"); return strings.HasSuffix(string(c), "\n") })
	// It outlives its parent too: the death signal needs the same right.
	if pid, err := strconv.Atoi(s.read(t, "pid")); err != nil || unix.Kill(pid, unix.SIGKILL) != nil {
		t.Errorf("process %d has ended, %v: what was tested?", pid, err)
	}
}

func TestTheCommandEndsWithTheDaemon(t *testing.T) {
	s := public(t, `echo $$ >$D/pid; exec sleep 1000`)
	cmd := testuser.Play(t, "store "+s.Command[0], "", nil)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "pid", func() bool { c, _ := os.ReadFile(s.dir + "/pid"); return len(c) > 0 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s.wantDead(t, "pid")
}
