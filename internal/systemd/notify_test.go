package systemd

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listen makes the manager's end of the socket.
func listen(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// receive gives the next notice and what is in the files that came with it.
func receive(t *testing.T, conn *net.UnixConn) (string, []string) {
	t.Helper()
	text, rights := make([]byte, 4096), make([]byte, 4096)
	n, m, _, _, err := conn.ReadMsgUnix(text, rights)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		t.Fatal(err)
	}
	var contents []string
	for _, message := range messages {
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "received")
			content, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			contents = append(contents, string(content))
		}
	}
	return string(text[:n]), contents
}

func TestNoticesReachTheManager(t *testing.T) {
	tests := []struct {
		name  string
		send  func(Manager, *os.File) error
		want  string
		files []string
	}{
		{"notice", func(m Manager, _ *os.File) error { return m.Notify("READY=1\nSTATUS=well") }, "READY=1\nSTATUS=well", nil},
		{"put", func(m Manager, f *os.File) error { return m.Put("a-1", f) }, "FDSTORE=1\nFDPOLL=0\nFDNAME=a-1", []string{"kept"}},
		{"drop", func(m Manager, _ *os.File) error { return m.Drop("a-1") }, "FDSTOREREMOVE=1\nFDNAME=a-1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "notify")
			for _, name := range []string{path, "@ecr-refreshd-test" + path} {
				conn := listen(t, name)
				f := fileWith(t, "kept")
				if err := tt.send(Manager{socket: name}, f); err != nil {
					t.Fatal(err)
				}
				f.Close() // what is under way needs it no longer
				got, files := receive(t, conn)
				if got != tt.want || strings.Join(files, "|") != strings.Join(tt.files, "|") {
					t.Errorf("%s: got %q with %q, want %q with %q", name[:1], got, files, tt.want, tt.files)
				}
			}
		})
	}
}

func TestNotifyFails(t *testing.T) {
	tests := []struct {
		name, socket string
		want         error // nil: any
	}{
		{"no manager", "", ErrNoManager},
		{"nobody there", filepath.Join(t.TempDir(), "none"), fs.ErrNotExist},
		{"of another family", "vsock:2:1", nil},
		{"too long", "/" + strings.Repeat("x", 200), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Manager{socket: tt.socket}.Notify("READY=1")
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestNotifyGivesUpOnAManagerThatHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	listen(t, path) // and never reads
	fill(t, path)
	if err := (Manager{socket: path}).Notify("READY=1"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestNotifyWaitsForAManagerThatIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn := listen(t, path)
	queued := fill(t, path)
	sent := make(chan error)
	go func() { sent <- Manager{socket: path}.Notify("READY=1") }()
	for range queued {
		receive(t, conn)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if got, _ := receive(t, conn); got != "READY=1" {
		t.Errorf("got %q", got)
	}
}

// fill makes the manager's queue full and tells how many notices are in it.
func fill(t *testing.T, path string) (queued int) {
	t.Helper()
	for { // one sender may not send enough: it has a limit of its own
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		before := queued
		for err == nil {
			if err = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path}); err == nil {
				queued++
			}
		}
		if err != unix.EAGAIN {
			t.Fatal(err)
		}
		if queued == before {
			return queued
		}
	}
}

func TestKeeps(t *testing.T) {
	tests := []struct {
		name   string
		m      Manager
		want   bool
		reason string
	}{
		{"no manager", Manager{room: "4"}, false, "no service manager"},
		{"promised", Manager{socket: "@x", room: "4"}, true, ""},
		{"just enough", Manager{socket: "@x", room: "2"}, true, ""},
		{"too few", Manager{socket: "@x", room: "1"}, false, `keeps "1" files`},
		{"nonsense", Manager{socket: "@x", room: "many"}, false, `keeps "many" files`},
		{"not said", Manager{socket: "@x", room: ""}, true, "does not say"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, why := tt.m.Keeps(2)
			if ok != tt.want || !strings.Contains(why, tt.reason) || (why == "") != (tt.reason == "") {
				t.Errorf("got %v, %q", ok, why)
			}
		})
	}
}

func TestWatchdog(t *testing.T) {
	tests := []struct {
		name, pid, usec string
		want            time.Duration
	}{
		{"none", "", "", 0},
		{"for any process", "", "2000000", 2 * time.Second},
		{"for this process", "7", "1500000", 1500 * time.Millisecond},
		{"for another", "8", "2000000", 0},
		{"no number", "", "soon", 0},
		{"negative", "", "-1", 0},
		{"zero", "", "0", 0},
		{"beyond a duration", "", "9223372036854775807", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Manager{watchdog: watchdog(tt.pid, tt.usec, 7)}).Watchdog(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
