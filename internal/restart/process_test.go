package restart

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/systemd"
)

// asDaemon makes the test binary a daemon of one save: KEY=SECRET pairs, or
// "die" and pairs, to end by SIGKILL where a former snapshot would be dropped.
const asDaemon = "RESTART_TEST_DAEMON"

func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv(asDaemon); !ok {
		os.Exit(m.Run())
	}
	if err := daemon(strings.Fields(os.Getenv(asDaemon))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// daemon prints what it takes over and saves what it is told.
func daemon(save []string) error {
	manager, files := systemd.Take()
	h, taken, why := Open(files, manager)
	if slices.Contains(save, "die") {
		save = save[1:]
		h.store = mortal{manager}
	}
	texts := map[string]string{"why": why}
	for key, t := range taken {
		texts[key] = t.Secret.Reveal()
	}
	if err := json.NewEncoder(os.Stdout).Encode(texts); err != nil {
		return err
	}
	held := make(map[string]login.Token)
	for _, pair := range save {
		key, secret, _ := strings.Cut(pair, "=")
		held[key] = login.Token{Username: "AWS", Secret: login.NewSecret(secret), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(12 * time.Hour)}
	}
	return h.Save(held)
}

// mortal is a Store under which the process is killed between Put and Drop.
type mortal struct{ systemd.Manager }

func (mortal) Drop(string) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }

// manager is a service manager that keeps descriptors as systemd does.
type manager struct {
	conn  *net.UnixConn
	path  string
	room  int
	names []string
	files []*os.File
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify"), room: 4}
	var err error
	m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: m.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.conn.Close()
		for _, f := range m.files {
			f.Close()
		}
	})
	return m
}

// run runs a daemon to its end, with everything that is kept, and gives what it took.
func (m *manager) run(t *testing.T, save string) (taken map[string]string, why string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", asDaemon+"="+save, "NOTIFY_SOCKET="+m.path, fmt.Sprint("FDSTORE=", m.room))
	if len(m.files) > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN_FDS=", len(m.files)), "LISTEN_FDNAMES="+strings.Join(m.names, ":"))
	}
	cmd.ExtraFiles = m.files
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && strings.HasPrefix(save, "die") && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL) {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &taken); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m.hear(t)
	why = taken["why"]
	delete(taken, "why")
	return taken, why
}

// hear carries out what is in the queue: the process that has sent it is gone.
func (m *manager) hear(t *testing.T) {
	t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	text, rights := make([]byte, 4096), make([]byte, 4096)
	err = raw.Control(func(fd uintptr) {
		for {
			n, oob, _, _, err := unix.Recvmsg(int(fd), text, rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
			if err == unix.EAGAIN {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			m.obey(t, string(text[:n]), rights[:oob])
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (m *manager) obey(t *testing.T, text string, rights []byte) {
	t.Helper()
	_, name, _ := strings.Cut(text, "\nFDNAME=")
	if strings.HasPrefix(text, "FDSTOREREMOVE=1\n") {
		for i := len(m.names) - 1; i >= 0; i-- {
			if m.names[i] == name {
				m.files[i].Close()
				m.names, m.files = slices.Delete(m.names, i, i+1), slices.Delete(m.files, i, i+1)
			}
		}
		return
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 || !strings.HasPrefix(text, "FDSTORE=1\n") {
		t.Fatalf("%q with %d messages: %v", text, len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("%d descriptors: %v", len(fds), err)
	}
	if len(m.files) == m.room {
		unix.Close(fds[0]) // systemd says nothing either
		return
	}
	m.names, m.files = append(m.names, name), append(m.files, os.NewFile(uintptr(fds[0]), name))
}

func TestTokensOutliveTheProcess(t *testing.T) {
	m := newManager(t)
	steps := []struct {
		save  string
		takes map[string]string
		files int
	}{
		{"a=1 b=2", nil, 1},
		{"a=1 b=3", map[string]string{"a": "1", "b": "2"}, 1},
		// However often it is killed there, nothing is lost and the store does not fill.
		{"die a=1 b=4", map[string]string{"a": "1", "b": "3"}, 2},
		{"die a=1 b=5", map[string]string{"a": "1", "b": "4"}, 2},
		{"die a=1 b=6", map[string]string{"a": "1", "b": "5"}, 2},
		{"a=1 b=6", map[string]string{"a": "1", "b": "6"}, 1},
		{"", map[string]string{"a": "1", "b": "6"}, 0},
		{"a=7", nil, 1},
	}
	for i, step := range steps {
		taken, why := m.run(t, step.save)
		if !maps.Equal(taken, step.takes) || (why == "") != (len(step.takes) > 0) {
			t.Errorf("step %d took %v, want %v; said %q", i, taken, step.takes, why)
		}
		if len(m.files) != step.files {
			t.Errorf("after step %d, %q are kept, want %d", i, m.names, step.files)
		}
	}
	for _, name := range m.names {
		if len(name) > 255 || strings.ContainsAny(name, ":\n") { // what FDNAME= may be
			t.Errorf("name %q", name)
		}
	}
}

func TestAManagerWithoutRoomIsNotTrusted(t *testing.T) {
	m := newManager(t)
	m.room = 1
	if _, why := m.run(t, "a=1"); !strings.Contains(why, "FileDescriptorStoreMax=") {
		t.Errorf("said %q", why)
	}
	if len(m.files) != 0 {
		t.Errorf("%q are kept", m.names)
	}
}
