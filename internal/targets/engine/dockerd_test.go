package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// insideEnv marks the process that runs in namespaces of its own.
const insideEnv = "ENGINE_TEST_INSIDE"

// outsider is an address that the engine does not take for insecure, as it
// does all of 127.0.0.0/8.
const outsider = "192.0.2.1"

// TestRealEngine runs TestInsideNamespaces again in a network, mount and
// process namespace of its own: the machine keeps nothing of it, and the kernel
// ends every process in there with the test.
func TestRealEngine(t *testing.T) {
	lacking := func(why string) {
		if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if os.Geteuid() != 0 {
		lacking("a private docker engine needs root")
	}
	for _, program := range []string{"dockerd", "containerd", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking("a private docker engine needs " + program + " (package docker.io)")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestInsideNamespaces$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		lacking("this machine allows no namespaces: " + err.Error())
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestInsideNamespaces")) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func TestInsideNamespaces(t *testing.T) {
	dir := os.Getenv(insideEnv)
	if dir == "" {
		t.Skip("TestRealEngine starts it")
	}
	isolate(t, dir)
	plain := registryAt(t, "")
	plain.Start()
	defer plain.Close()
	secured, ca := selfSigned(t, outsider)
	defer secured.Close()
	socket := startDockerd(t, dir)

	_, port, err := net.SplitHostPort(plain.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	loopback := net.JoinHostPort("127.0.0.1", port)
	unknown := secured.Listener.Addr().String()
	tests := []struct {
		name, host, password string
		want                 fault.Reason // empty: accepted
		text, hint           string       // parts of them
	}{
		{"good login", loopback, "good", "", "", ""},
		{"wrong password", loopback, "answer with 401", fault.Rejected, "401", "region"},
		{"expired token", loopback, "answer with 403", fault.Rejected, "403", "region"},
		{"token of another region", loopback, "answer with 400", fault.Rejected, "400", "region"},
		{"no such registry", loopback, "answer with 404", fault.Network, "404", "curl"},
		{"broken registry", loopback, "answer with 503", fault.Network, "503", "curl"},
		{"too many requests", loopback, "answer with 429", fault.Throttled, "429", ""},
		{"dead registry", "127.0.0.1:9", "good", fault.Network, "connection refused", "curl"},
		{"no route", "198.51.100.1", "good", fault.Network, "unreachable", "curl"},
		{"no name", "registry.invalid", "good", fault.Network, "lookup", "getent hosts registry.invalid"},
		{"unknown authority", unknown, "good", fault.Network, "x509", "/etc/docker/certs.d/" + unknown + "/ca.crt"},
	}
	tgt := newTarget(Options{Host: "unix://" + socket})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tgt.Store(t.Context(), passwordFor(tt.host, tt.password))
			t.Logf("%v", err)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			all := fault.All(err)
			if len(all) != 1 || all[0].Reason != tt.want || !strings.Contains(err.Error(), tt.text) || !strings.Contains(all[0].Hint, tt.hint) {
				t.Errorf("got %s %v, hint %q; want %s with %q, hint %q", all[0].Reason, err, all[0].Hint, tt.want, tt.text, tt.hint)
			}
		})
	}
	t.Run("the hint about certs.d is right", func(t *testing.T) {
		certs := filepath.Join("/etc/docker/certs.d", unknown)
		if err := os.MkdirAll(certs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(certs, "ca.crt"), ca, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := tgt.Store(t.Context(), passwordFor(unknown, "good")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a thousand hosts", func(t *testing.T) {
		var hosts []string // every address in 127.0.0.0/8 leads to the same registry
		for i := range 1000 {
			hosts = append(hosts, net.JoinHostPort(fmt.Sprintf("127.0.%d.%d", 1+i/250, 1+i%250), port))
		}
		logins := loginsFor(hosts...)
		started := time.Now()
		if err := tgt.Store(t.Context(), logins); err != nil {
			t.Error(err)
		}
		t.Logf("%d logins took %s", len(logins), time.Since(started))
	})
}

// answerByPassword is a registry whose answer is the status that the password names.
func answerByPassword(w http.ResponseWriter, r *http.Request) {
	_, password, ok := r.BasicAuth()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	status := http.StatusOK
	_, _ = fmt.Sscanf(password, "answer with %d", &status) // no number: accepted
	w.WriteHeader(status)
}

// isolate makes mounts private, brings up the loopback device with a second
// address, and gives the engine an /etc and a /proc of its own.
func isolate(t *testing.T, dir string) {
	t.Helper()
	steps := []struct {
		name string
		do   func() error
	}{
		{"private mounts", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"proc", func() error { return unix.Mount("proc", "/proc", "proc", 0, "") }},
		{"tmpfs", func() error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "") }},
		{"directories", func() error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "upper"), 0o755), os.Mkdir(filepath.Join(dir, "work"), 0o755))
		}},
		{"etc", func() error {
			return unix.Mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir="+dir+"/upper,workdir="+dir+"/work")
		}},
		{"run", func() error { return unix.Mount("tmpfs", "/run", "tmpfs", 0, "") }},
		{"lo", func() error { return address4("lo", "127.0.0.1") }},
		{"lo:1", func() error { return address4("lo:1", outsider) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
}

// address4 gives a network device an IPv4 address and brings it up.
func address4(device, ip string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	if err := request.SetInet4Addr(net.ParseIP(ip).To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, request); err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// startDockerd starts an engine and ends it with the test.
func startDockerd(t *testing.T, dir string) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "d.sock")
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
	if err != nil {
		t.Fatal(err)
	}
	ready, announce := net.Pipe()
	cmd := exec.Command("dockerd", "--host=unix://"+socket, "--data-root="+filepath.Join(dir, "data"),
		"--exec-root="+filepath.Join(dir, "exec"), "--pidfile="+filepath.Join(dir, "pid"),
		"--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=vfs")
	cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, announce)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = ready.Close()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text[max(0, len(text)-3000):])
		}
	})
	// The engine says so when it listens; after that its log is of no interest.
	var said strings.Builder
	piece := make([]byte, 4096)
	for !strings.Contains(said.String(), "API listen on "+socket) {
		n, err := ready.Read(piece)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(piece[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, ready) }()
	c, err := client.NewClientWithOpts(client.WithHost("unix://"+socket), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	version, err := c.ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("engine %s, API %s", version.Version, version.APIVersion)
	return socket
}

// selfSigned is a registry with a certificate for ip that nobody knows.
func selfSigned(t *testing.T, ip string) (*httptest.Server, []byte) {
	t.Helper()
	ca := newAuthority(t)
	s := registryAt(t, ip)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, ip)}}
	s.StartTLS()
	return s, ca.pem
}

// registryAt listens at ip, or at all addresses, and is yet to be started.
func registryAt(t *testing.T, ip string) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(answerByPassword))
	_ = s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = quiet()
	return s
}
