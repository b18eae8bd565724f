package api

import (
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/peerauth"
)

// wantCounted wants so many connections to be counted, by uid, and of others.
func (g *gate) wantCounted(t *testing.T, others int, users map[uint32]int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.others != others || !maps.Equal(g.users, users) {
		t.Errorf("%d connections of others and %v are counted, want %d and %v", g.others, g.users, others, users)
	}
}

// fill enters until uid is turned away, and wants that to be after so many.
func (g *gate) fill(t *testing.T, uid uint32, privileged bool, want int) {
	t.Helper()
	n := 0
	for n <= want && g.enter(uid, privileged) {
		n++
	}
	if n != want {
		t.Errorf("uid %d has %d connections, want %d", uid, n, want)
	}
}

func TestConnectionsAreBoundedByUserAndInAll(t *testing.T) {
	g := newGate(nil, nil, zap.NewNop())
	for uid := range uint32(maxConns / maxUserConn) {
		g.fill(t, 1000+uid, false, maxUserConn)
	}
	g.fill(t, 2000, false, 0)
	g.fill(t, 0, true, maxPrivileged) // root and the own user have their own
	g.fill(t, 990, true, maxPrivileged)
	g.leave(1000, false)
	g.fill(t, 2000, false, 1)
	for uid, n := range maps.Clone(g.users) {
		for range n {
			g.leave(uid, uid < 1000)
		}
	}
	g.wantCounted(t, 0, nil)
}

// pipes is a listener whose connections are as the test makes them.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

func TestAConnectionWithoutAUserIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make(pipes, 1)
		theirs, ours := net.Pipe()
		p <- ours
		close(p)
		if _, err := newGate(p, nil, zap.NewNop()).Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("it is not closed: %v", err)
		}
	})
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// exhausted is a listener of a process without descriptors.
type exhausted struct{ net.Listener }

func (exhausted) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", unix.EMFILE)}
}

func TestUsedUpDescriptorsAreCalledThat(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	_, _ = newGate(exhausted{}, peerauth.NewDirectory(), zap.New(core)).Accept()
	if all := logs.All(); len(all) != 1 || !strings.Contains(all[0].ContextMap()["hint"].(string), "LimitNOFILE=") {
		t.Errorf("logged %v", all)
	}
}

// Thousands of answers that nobody reads must not hold much of the kernel's memory.
func TestAnAnswerThatNobodyReadsHoldsLittle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	g := newGate(mustListen(t, path, "", 0o600), peerauth.NewDirectory(), zap.NewNop())
	connect(t, path)
	c, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	raw, err := c.(*admitted).Conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF); err != nil || size != 2*sendBuffer {
			t.Errorf("the send buffer has %d bytes, %v", size, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
