package peerauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/testuser"
)

func TestMain(m *testing.M) {
	switch testuser.Role() {
	case "client":
		playClient(os.Args[1])
	case "server":
		playServer(os.Args[1])
	default:
		os.Exit(m.Run())
	}
}

// playClient connects and stays until it is let go.
func playClient(socket string) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, c)
}

// playServer tells on standard output how it sees the first peer.
func playServer(socket string) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("\n") // it listens
	c, err := l.Accept()
	if err != nil {
		panic(err)
	}
	p, err := PeerOf(c.(*net.UnixConn))
	if err != nil {
		panic(err)
	}
	d := NewDirectory()
	_ = json.NewEncoder(os.Stdout).Encode(sight{p, d.Privileged(p), d.Rule([]string{"65534"}, []string{"65534"}).Allows(context.Background(), p)})
}

// sight is what playServer tells.
type sight struct {
	Peer                Peer
	Privileged, Allowed bool
}

// play starts the test binary in a role.
func play(t *testing.T, role, socket string, attr *syscall.SysProcAttr) (stdout io.Reader) {
	t.Helper()
	cmd := testuser.Play(t, role, socket, attr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return out
}

func listen(t *testing.T) (string, *net.UnixListener) {
	t.Helper()
	socket := filepath.Join(testuser.Dir(t, 0o777), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	return socket, l.(*net.UnixListener)
}

func acceptPeer(t *testing.T, l *net.UnixListener) Peer {
	t.Helper()
	c, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	p, err := PeerOf(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePeerIsThisProcess(t *testing.T) {
	socket, l := listen(t)
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	p := acceptPeer(t, l)
	if p.PID != os.Getpid() || int(p.UID) != os.Geteuid() || int(p.GID) != os.Getegid() {
		t.Errorf("got %+v", p)
	}
	if !NewDirectory().Privileged(p) {
		t.Error("the own user is not privileged")
	}
}

func TestThePeerIsAnotherUser(t *testing.T) {
	testuser.NeedRoot(t)
	many := func(n int) []uint32 {
		ids := make([]uint32, n)
		for i := range ids {
			ids[i] = uint32(50000 + i)
		}
		return ids
	}
	tests := []struct {
		name   string
		groups []uint32
		want   int
	}{
		{"no groups", nil, 0},
		{"two groups", []uint32{50000, 50001}, 2},
		{"as many as the first try holds", many(32), 32},
		{"more than the first try holds", many(33), 33},
		{"more than are kept", many(maxGroups + 1), maxGroups},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			socket, l := listen(t)
			play(t, "client", socket, testuser.As(47001, 47002, tt.groups...))
			p := acceptPeer(t, l)
			if p.UID != 47001 || p.GID != 47002 || p.PID == 0 || !slices.Equal(p.Groups, tt.groups[:tt.want]) {
				t.Errorf("got %+v", p)
			}
			d := NewDirectory()
			if d.Privileged(p) || d.Rule([]string{"47002"}, []string{"47001"}).Allows(t.Context(), p) {
				t.Error("allowed what it may not have")
			}
			if !d.Rule(nil, []string{"47002"}).Allows(t.Context(), p) {
				t.Error("refused what its group may have")
			}
		})
	}
}

// TestNobodyIsAPeerWithoutAnIdentity: the kernel gives such a one the uid -1, and no error.
func TestNobodyIsAPeerWithoutAnIdentity(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	alone := os.NewFile(uintptr(fd), "alone")
	defer func() { _ = alone.Close() }()
	c, err := net.FileConn(alone) // a copy
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.UnixConn{c.(*net.UnixConn), {}} {
		if p, err := PeerOf(c); err == nil {
			t.Errorf("a socket without a peer has the peer %+v", p)
		}
	}
	_ = c.Close()
	if p, err := PeerOf(c.(*net.UnixConn)); err == nil {
		t.Errorf("a closed connection has the peer %+v", p)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if p, err := peerOf(int(file.Fd())); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("what is no socket has the peer %+v, %v", p, err)
	}
	if groups, err := peerGroups(int(file.Fd())); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("what is no socket has the groups %v, %v", groups, err)
	}
}

// A server in a user namespace of its own sees users that have no place there as
// one and the same.
func TestAStrangerToTheNamespaceIsNobodyInParticular(t *testing.T) {
	testuser.NeedRoot(t)
	socket := filepath.Join(testuser.Dir(t, 0o777), "s")
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1000}}
	out := play(t, "server", socket, &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	play(t, "client", socket, testuser.As(47001, 47002, 50000))
	var got sight
	if err := json.NewDecoder(out).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Peer.UID != overflowDefault || got.Peer.GID != overflowDefault || got.Privileged || got.Allowed {
		t.Errorf("got %+v", got)
	}
}

func TestPeerNamesItself(t *testing.T) {
	tests := []struct {
		name string
		peer Peer
		want string
	}{
		{"all", Peer{PID: 4711, UID: 1001, Name: "jenkins"}, "user jenkins (uid 1001), process 4711"},
		{"no name", Peer{PID: 4711, UID: 1001}, "uid 1001, process 4711"},
		{"another process namespace", Peer{UID: 1001, Name: "jenkins"}, "user jenkins (uid 1001)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.peer.String(); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
	if p := NewDirectory().Named(t.Context(), Peer{}); !strings.HasPrefix(p.String(), "user root (uid 0)") {
		t.Errorf("root is %q", p)
	}
}
