package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const (
	hostA = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	hostB = "public.ecr.aws"
	// patience is how long a test waits for what must happen.
	patience = 30 * time.Second
)

// secretOf is of the form and length of a token.
func secretOf(word string) string { return strings.Repeat(word+"Xq7+/", 30) }

func loginFor(host, word string) login.Login {
	return login.Token{Username: "AWS", Secret: login.NewSecret(secretOf(word)), ExpiresAt: time.Now().Add(12 * time.Hour)}.For(host)
}

// scene is a hook and a directory for what it does.
type scene struct {
	*Target
	dir string
}

// hookOf makes a target of a shell script, for which $D is the directory.
func hookOf(t *testing.T, script string) scene {
	t.Helper()
	dir := t.TempDir()
	path := dir + "/hook"
	if err := os.WriteFile(path, []byte("#!/bin/sh\nD="+dir+"\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return scene{newTarget(settings{Command: []string{path, "an argument", "$D"}, Timeout: patience}), dir}
}

// read returns what the hook has written to a file, without the last line's end.
func (s scene) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(content), "\n")
}

// await waits until the hook has written a file.
func (s scene) await(t *testing.T, name string) {
	t.Helper()
	await(t, name, func() bool {
		_, err := os.Stat(filepath.Join(s.dir, name))
		return err == nil
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// wantDead waits until the process whose number is in a file is none any more.
func (s scene) wantDead(t *testing.T, name string) {
	t.Helper()
	pid, err := strconv.Atoi(s.read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	await(t, fmt.Sprintf("the end of process %d", pid), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestTheCommandGetsTheLoginsOnItsInput(t *testing.T) {
	s := hookOf(t, `cat >$D/in; env >$D/env; pwd >$D/pwd; printf '%s|' "$@" >$D/args; tr '\0' ' ' </proc/$$/environ >$D/first; echo well done`)
	a, b := loginFor(hostA, "one"), loginFor(hostB, "two")
	further := loginFor("images.example.com:5000", "three")
	gone := loginFor("gone.example.com", "four")
	gone.ExpiresAt = time.Now()
	for _, l := range []login.Login{gone, b, further, a} {
		if err := s.Store(t.Context(), []login.Login{l}); err != nil {
			t.Fatal(err)
		}
	}
	var got map[string][]map[string]string
	if err := json.Unmarshal([]byte(s.read(t, "in")), &got); err != nil {
		t.Fatal(err)
	}
	at := func(l login.Login) string { return l.ExpiresAt.UTC().Truncate(time.Second).Format(time.RFC3339) }
	want := map[string][]map[string]string{"logins": {
		{"host": hostA, "username": "AWS", "password": secretOf("one"), "account": "111122223333", "region": "us-east-1", "expires_at": at(a)},
		{"host": "images.example.com:5000", "username": "AWS", "password": secretOf("three"), "account": "", "region": "", "expires_at": at(further)},
		{"host": hostB, "username": "AWS", "password": secretOf("two"), "account": "", "region": "us-east-1", "expires_at": at(b)},
	}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := s.read(t, "args"); got != "an argument|$D|" {
		t.Errorf("the arguments are %q", got)
	}
	if got := s.read(t, "pwd"); got != "/" {
		t.Errorf("it runs in %q", got)
	}
	for _, word := range strings.Fields(s.read(t, "first")) {
		name, _, _ := strings.Cut(word, "=")
		if !strings.Contains(" PATH LANG HOME USER LOGNAME ", " "+name+" ") {
			t.Errorf("the environment holds %s", word)
		}
	}
	if s.Output() != "well done" {
		t.Errorf("the output is %q", s.Output())
	}
}

// Nothing of this process's environment, where AWS keys may be, is passed on.
func TestTheEnvironmentIsNotPassedOn(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	s := hookOf(t, `env >$D/env`)
	if err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.read(t, "env"), "canary") {
		t.Error("it holds a variable of ours")
	}
}

func TestFailuresSayWhy(t *testing.T) {
	write := func(t *testing.T, content string, mode os.FileMode) string {
		path := t.TempDir() + "/hook"
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name      string
		path      func(t *testing.T) string
		why, hint string
	}{
		{"exit code", func(t *testing.T) string {
			return write(t, "#!/bin/sh\necho first; echo second >&2; exit 3\n", 0o700)
		}, "exit status 3; it printed: first second", "run it by hand"},
		{"a signal", func(t *testing.T) string { return write(t, "#!/bin/sh\nkill -9 $$\n", 0o700) }, "signal: killed", "journalctl -k"},
		{"missing", func(t *testing.T) string { return t.TempDir() + "/hook" }, "no such file", "exists"},
		{"no interpreter", func(t *testing.T) string { return write(t, "#!/no/such\n", 0o700) }, "no such file", "the interpreter"},
		{"not executable", func(t *testing.T) string { return write(t, "#!/bin/sh\n", 0o600) }, "permission denied", "make it executable"},
		{"no first line", func(t *testing.T) string { return write(t, "echo\n", 0o700) }, "exec format error", "#!/bin/sh"},
		{"a directory", func(t *testing.T) string { return t.TempDir() }, "is a directory", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := newTarget(settings{Command: []string{tt.path(t)}, Timeout: patience})
			wantFault(t, target.Store(t.Context(), []login.Login{loginFor(hostA, "one")}), tt.why, tt.hint)
		})
	}
	target := newTarget(settings{Command: []string{"/bin/true"}, User: "no-such-account-here", Timeout: patience})
	wantFault(t, target.Store(t.Context(), []login.Login{loginFor(hostA, "one")}), "no such account", "until then it is waited for")
}

func wantFault(t *testing.T, err error, why, hint string) {
	t.Helper()
	for _, f := range fault.All(err) {
		if f.Reason == fault.Local && strings.Contains(f.Error(), why) && strings.Contains(f.Hint, hint) {
			return
		}
	}
	t.Errorf("got %v with %+v, want %q and the hint %q", err, fault.All(err), why, hint)
}

// What it prints is shown without secrets, in whatever form, and without what would confuse a
// terminal.
func TestTheOutputShowsNoSecret(t *testing.T) {
	for name, script := range map[string]string{
		"as it is":        `cat; exit 1`,
		"base64":          `base64 -w0; exit 1`,
		"a line a letter": `sed 's/./&\n/g'; exit 1`,
		"in hex":          `od -An -tx1; exit 1`,
		"much before it":  `head -c 100000 /dev/zero | tr '\0' x; echo; cat; exit 1`,
		"much after it":   `cat; head -c 300 /dev/zero | tr '\0' ' '; exit 1`,
		"on success":      `cat >&2`,
	} {
		t.Run(name, func(t *testing.T) {
			s := hookOf(t, script)
			err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one"), loginFor(hostB, "two")})
			r := login.NewRedactor(login.NewSecret(secretOf("one")), login.NewSecret(secretOf("two")))
			for _, text := range []string{fmt.Sprint(err), s.Output()} {
				if r.Finds(text) {
					t.Errorf("%q shows a secret", text)
				}
			}
			if s.Output() == "" {
				t.Error("there is no output")
			}
		})
	}
	s := hookOf(t, `printf 'red \033[31m and \000 null\r\n'; exit 1`)
	wantFault(t, s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}), "it printed: red [31m and null", "")
}

// short is a timeout that is over soon.
func (s scene) short() scene {
	s.Timeout = time.Second
	return s
}

// With the session of whoever starts ecr-refreshd in a shell, it could type into that terminal.
func TestTheCommandHasASessionOfItsOwn(t *testing.T) {
	s := hookOf(t, `cat >/dev/null; set -- $(cat /proc/$$/stat); echo "$6 $$" >$D/session`)
	if err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err != nil {
		t.Fatal(err)
	}
	if session, pid, _ := strings.Cut(s.read(t, "session"), " "); session != pid {
		t.Errorf("its session is %s, its process %s", session, pid)
	}
}

func TestWhatHangsIsKilled(t *testing.T) {
	for name, script := range map[string]string{
		"it sleeps":              `echo $$ >$D/pid; exec sleep 1000`,
		"with its children":      `sleep 1000 & echo $! >$D/pid; wait`,
		"it ignores SIGTERM":     `trap '' TERM; echo $$ >$D/pid; while :; do sleep 1000; done`,
		"it is stopped":          `echo $$ >$D/pid; kill -STOP $$`,
		"it prints without end":  `echo $$ >$D/pid; exec yes`,
		"it reads nothing":       `exec <&-; echo $$ >$D/pid; exec sleep 1000`,
		"without a line's end":   `echo $$ >$D/pid; exec cat /dev/zero`,
		"one that starts others": `echo $$ >$D/pid; while :; do sleep 1000 & sleep 0.05; done`,
	} {
		t.Run(name, func(t *testing.T) {
			s := hookOf(t, script).short()
			var many []login.Login
			for i := range 300 { // more than a pipe holds
				many = append(many, loginFor(fmt.Sprintf("h%d.example.com", i), "one"))
			}
			wantFault(t, s.Store(t.Context(), many), "it did not end in time and was killed", "longer `timeout`")
			if _, err := os.Stat(s.dir + "/pid"); err == nil { // a machine that is very busy may not have come so far
				s.wantDead(t, "pid")
			}
		})
	}
}

func TestWhatHangsMayEndByItself(t *testing.T) {
	s := hookOf(t, `trap 'echo >$D/tidy; exit 0' TERM; echo >$D/ready; cat >/dev/null; while :; do sleep 0.01; done`)
	s.grace = patience
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Store(ctx, []login.Login{loginFor(hostA, "one")}) }()
	s.await(t, "ready")
	cancel()
	<-ended
	if _, err := os.Stat(s.dir + "/tidy"); err != nil {
		t.Error("it got no SIGTERM")
	}
}

// A command that ends well and leaves something behind: what is in its group ends with it, and what
// is not does not hold us up.
func TestWhatIsLeftBehind(t *testing.T) {
	t.Run("in its group", func(t *testing.T) {
		s := hookOf(t, `sleep 1000 & echo $! >$D/pid; echo done`)
		if err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err != nil || s.Output() != "done" {
			t.Errorf("%v, %q", err, s.Output())
		}
		s.wantDead(t, "pid")
	})
	t.Run("in a session of its own, with the output open", func(t *testing.T) {
		s := hookOf(t, `setsid sh -c 'echo $$ >$D/pid; exec sleep 1000' & until [ -s $D/pid ]; do :; done; echo done`)
		s.Command = append([]string{"/usr/bin/env", "D=" + s.dir}, s.Command...)
		t.Cleanup(func() {
			if pid, err := strconv.Atoi(s.read(t, "pid")); err == nil {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		})
		ended := make(chan error, 1)
		go func() { ended <- s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}) }()
		select {
		case err := <-ended:
			if err != nil || s.Output() != "done" {
				t.Errorf("%v, %q", err, s.Output())
			}
		case <-time.After(patience):
			t.Fatal("it is waited for")
		}
	})
}

// A context that ends, at a reload or the daemon's end, ends the command, and Store returns after it.
func TestTheCommandEndsWithTheContext(t *testing.T) {
	s := hookOf(t, `echo $$ >$D/pid; exec sleep 1000`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Store(ctx, []login.Login{loginFor(hostA, "one")}) }()
	await(t, "pid", func() bool { c, _ := os.ReadFile(s.dir + "/pid"); return len(c) > 0 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	pid, _ := strconv.Atoi(s.read(t, "pid"))
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the command is still there: %v", err)
	}
	s.Command = []string{"/bin/true"}
	if err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err != nil {
		t.Errorf("the next run: %v", err)
	}
}

func TestGrantsShareARunAndNoneIsConcurrent(t *testing.T) {
	s := hookOf(t, `mkdir $D/lock || exit 1; cat >$D/in; echo >>$D/runs; until [ -e $D/go ]; do sleep 0.01; done; rmdir $D/lock`)
	var wg sync.WaitGroup
	const grants = 20
	storeOne := func(i int) {
		wg.Go(func() {
			if err := s.Store(t.Context(), []login.Login{loginFor(fmt.Sprintf("h%d.example.com", i), "one")}); err != nil {
				t.Error(err)
			}
		})
	}
	storeOne(0)
	s.await(t, "runs")
	for i := 1; i < grants; i++ {
		storeOne(i)
	}
	await(t, "all have come", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.logins) == grants
	})
	if err := os.WriteFile(s.dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	// The one that was running, one for those who came meanwhile, and perhaps one for who had put
	// down its logins and not asked yet.
	if runs := len(s.read(t, "runs")) + 1; runs > 3 {
		t.Errorf("%d runs", runs)
	}
	if got := strings.Count(s.read(t, "in"), `"host"`); got != grants {
		t.Errorf("the last run got %d logins, want %d", got, grants)
	}
}

func TestForgetSaysThatItCannot(t *testing.T) {
	s := hookOf(t, `cat >$D/in`)
	if err := s.Store(t.Context(), []login.Login{loginFor(hostA, "one")}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Forget(t.Context(), func(host string) bool { return host == hostA }), "to store logins only", "by hand")
	if err := s.Store(t.Context(), []login.Login{loginFor(hostB, "two")}); err != nil || strings.Contains(s.read(t, "in"), hostA) {
		t.Errorf("%v, %s", err, s.read(t, "in"))
	}
}

// A hook that prints without end costs the daemon no memory.
func TestTheOutputIsBounded(t *testing.T) {
	out := &tail{}
	line := []byte(strings.Repeat("x", 1<<20) + "\n")
	for range 100 {
		_, _ = out.Write(line)
		_, _ = out.Write([]byte("last line"))
	}
	if cap(out.end) > 64<<10 || out.String() != "last line" {
		t.Errorf("%d bytes are kept, %q is shown", cap(out.end), out.String())
	}
}
