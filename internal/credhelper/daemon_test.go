package credhelper

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const login = `{"ServerURL":"h","Username":"AWS","Secret":"s3cret"}`

// serveLogin answers every request with login.
func serveLogin(_ int, c net.Conn) {
	take(c)
	io.WriteString(c, reply(200, login))
}

func TestAskSendsAWellFormedRequest(t *testing.T) {
	tests := []struct{ name, command, input, want string }{
		{"get", "get", "https://" + ecrHost + "\n", "GET /v1/credentials/" + ecrHost + "?wait=10s HTTP/1.0\r\nAccept: text/plain\r\n\r\n"},
		{"list", "list", "unused", "GET /v1/credentials?wait=10s HTTP/1.0\r\nAccept: text/plain\r\n\r\n"},
		{"store", "store", `{"ServerURL":"h","Secret":"s3cret"}`, "HEAD /v1/credentials/h HTTP/1.0\r\nAccept: text/plain\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, got := socket(t), make(chan string, 1)
			listen(t, path, func(_ int, c net.Conn) {
				got <- take(c)
				io.WriteString(c, reply(200, "{}"))
			})
			if out, code := run(helper(path), tt.command, tt.input); code != 0 {
				t.Fatal(out)
			}
			if request := <-got; request != tt.want {
				t.Errorf("got %q, want %q", request, tt.want)
			}
		})
	}
}

func TestAskOutlastsARestart(t *testing.T) {
	t.Run("connection dropped", func(t *testing.T) {
		path := socket(t)
		listen(t, path, func(n int, c net.Conn) {
			if n > 0 {
				serveLogin(n, c)
			}
		})
		h := helper(path)
		h.daemon.patience = time.Minute
		if out, code := run(h, "get", ecrHost); code != 0 || out != login {
			t.Errorf("got %d, %q", code, out)
		}
	})
	t.Run("socket not there", func(t *testing.T) {
		// The first try finds no socket at path, as the daemon appears there only
		// after that try has come to the second path.
		path, second := socket(t), socket(t)
		listen(t, second, func(n int, _ net.Conn) {
			if n == 0 {
				listen(t, path, serveLogin)
			}
		})
		h := helper(path, second)
		h.daemon.patience = time.Minute
		if out, code := run(h, "get", ecrHost); code != 0 || out != login {
			t.Errorf("got %d, %q", code, out)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		path, second := deserted(t), socket(t)
		listen(t, second, func(n int, _ net.Conn) {
			if n == 0 {
				os.Remove(path)
				listen(t, path, serveLogin)
			}
		})
		h := helper(path, second)
		h.daemon.patience = time.Minute
		if out, code := run(h, "get", ecrHost); code != 0 || out != login {
			t.Errorf("got %d, %q", code, out)
		}
	})
}

// deserted gives a socket that a daemon left behind when it was killed.
func deserted(t *testing.T) string {
	t.Helper()
	path := socket(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	return path
}

func TestAskTakesTheFirstSocketAtWhichSomebodyListens(t *testing.T) {
	tests := []struct {
		name string
		path func(t *testing.T) string
	}{
		{"absent", socket},
		{"deserted", deserted},
		{"not a socket", plainFile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			second, third := socket(t), socket(t)
			listen(t, second, serveLogin)
			listen(t, third, func(int, net.Conn) { t.Error("asked a second daemon") })
			if out, code := run(helper(tt.path(t), second, third), "get", ecrHost); code != 0 || out != login {
				t.Errorf("got %d, %q", code, out)
			}
		})
	}
}

func plainFile(t *testing.T) string {
	t.Helper()
	path := socket(t)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAskSaysWhyThereIsNoDaemon(t *testing.T) {
	const start = "; start it with `systemctl start ecr-refreshd`, or set $ECR_REFRESHD_SOCKET to its socket\n"
	const other = "; set $ECR_REFRESHD_SOCKET to the daemon's socket\n"
	absent, left, plain, packets := socket(t), deserted(t), plainFile(t), socket(t)
	l, err := net.Listen("unixpacket", packets)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	long := "/" + strings.Repeat("x", pathLimit)
	tests := []struct {
		name    string
		sockets []string
		want    string
	}{
		{"absent", []string{absent}, fmt.Sprintf("ecr-refreshd: no daemon listens at %q (no such file or directory)", absent) + start},
		{"deserted", []string{left}, fmt.Sprintf("ecr-refreshd: no daemon listens at %q (connection refused)", left) + start},
		{"both", []string{absent, left},
			fmt.Sprintf("ecr-refreshd: no daemon listens at %q (no such file or directory) or %q (connection refused)", absent, left) + start},
		{"not a socket", []string{plain}, fmt.Sprintf("ecr-refreshd: connect to %q: not a socket", plain) + other},
		{"another kind of socket", []string{packets}, fmt.Sprintf("ecr-refreshd: connect to %q: protocol wrong type for socket", packets) + other},
		{"below a file", []string{plain + "/s"}, fmt.Sprintf("ecr-refreshd: connect to %q: not a directory", plain+"/s") + other},
		{"long path", []string{long}, fmt.Sprintf("ecr-refreshd: connect to %q: longer than the 107 bytes of a socket's path", long) + other},
		{"one that tells more", []string{plain, absent}, fmt.Sprintf("ecr-refreshd: connect to %q: not a socket; set $ECR_REFRESHD_SOCKET to the daemon's socket; "+
			"nobody listens at %q (no such file or directory)\n", plain, absent)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if out, code := run(helper(tt.sockets...), "get", ecrHost); code != 1 || out != tt.want {
				t.Errorf("got %d, %q, want %q", code, out, tt.want)
			}
		})
	}
}

func TestAskIsNotPatientWithWhatWillNotPass(t *testing.T) {
	h := helper(plainFile(t))
	h.daemon.patience = 1 << 62 // a patient one would never end
	h.askTime = 1 << 62
	if out, code := run(h, "get", ecrHost); code != 1 || !strings.Contains(out, "not a socket") {
		t.Errorf("got %d, %q", code, out)
	}
}

// crowded gives a socket whose queue is full, and its listener.
func crowded(t *testing.T) (string, net.Listener) {
	t.Helper()
	path := socket(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(c) })
		switch err := syscall.Connect(c, &syscall.SockaddrUnix{Name: path}); err {
		case nil:
		case syscall.EAGAIN:
			return path, l
		default:
			t.Fatal(err)
		}
	}
}

func TestAskWaitsInAFullQueue(t *testing.T) {
	path, l := crowded(t)
	t.Cleanup(func() { l.Close() })
	h := helper(path)
	h.askTime = 50 * time.Millisecond
	want := fmt.Sprintf("ecr-refreshd: the daemon at %q gives no answer within 50ms; see `systemctl status ecr-refreshd`\n", path)
	if out, code := run(h, "get", ecrHost); code != 1 || out != want {
		t.Errorf("got %d, %q, want %q", code, out, want)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serveLogin(0, c) }()
		}
	}()
	if out, code := run(helper(path), "get", ecrHost); code != 0 || out != login {
		t.Errorf("got %d, %q", code, out)
	}
}

func TestExplainNamesTheUserThatMayNotConnect(t *testing.T) {
	path := filepath.Join("/run", "s")
	got := failures{{path, syscall.EACCES}}.explain(1000, time.Second).Error()
	want := `ecr-refreshd: connect to "/run/s": permission denied: the socket's group or mode does not let user id 1000 in; ` +
		"set socket.group or socket.allow in the daemon's configuration"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
