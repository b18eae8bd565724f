package api

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/access"
)

// wantTaken wants so many connections to be counted.
func (g *gate) wantTaken(t *testing.T, others, privileged int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.others.taken != others || g.privileged.taken != privileged {
		t.Errorf("%d of others and %d privileged connections are counted, want %d and %d",
			g.others.taken, g.privileged.taken, others, privileged)
	}
}

// mustEnter gives a guest of uid that was let in, and whom it has displaced.
func (g *gate) mustEnter(t *testing.T, uid uint32, privileged bool) (entered, evicted *guest) {
	t.Helper()
	_, ours := net.Pipe()
	n := &guest{Conn: ours, gate: g, peer: access.Peer{UID: uid}}
	evicted, ok := g.enter(n, privileged)
	if !ok {
		t.Fatalf("uid %d is turned away", uid)
	}
	return n, evicted
}

// crowd fills all places with maxUserConn of each of four users.
func (g *gate) crowd(t *testing.T) []*guest {
	t.Helper()
	var all []*guest
	for i := range maxConns {
		n, evicted := g.mustEnter(t, uint32(1000+i/maxUserConn), false)
		if evicted != nil {
			t.Fatalf("the guest %d displaces another", i)
		}
		all = append(all, n)
	}
	return all
}

func (g *gate) wantTurnedAway(t *testing.T, uid uint32, privileged bool) {
	t.Helper()
	if evicted, ok := g.enter(&guest{gate: g, peer: access.Peer{UID: uid}}, privileged); ok || evicted != nil {
		t.Errorf("uid %d got in, for %v", uid, evicted)
	}
}

func TestAUserWithTooManyConnectionsIsTurnedAway(t *testing.T) {
	g := newGate(nil, nil, zap.NewNop())
	all := g.crowd(t)
	g.wantTurnedAway(t, 1000, false)
	_ = all[0].Close()
	_ = all[0].Close() // counts once
	g.wantTaken(t, maxConns-1, 0)
	if _, evicted := g.mustEnter(t, 1000, false); evicted != nil {
		t.Error("somebody had to go for a free place")
	}
	g.wantTurnedAway(t, 1000, false)
}

func TestACrowdOfSeveralUsersMakesRoomForANewcomer(t *testing.T) {
	g := newGate(nil, nil, zap.NewNop())
	all := g.crowd(t)
	all[0].turn(true) // has sent a request
	all[1].turn(true)
	all[1].turn(false) // has had an answer
	for i := range maxUserConn {
		if _, evicted := g.mustEnter(t, 2000, false); evicted != all[2+i] {
			t.Fatalf("newcomer %d displaces the wrong one", i)
		}
	}
	g.wantTaken(t, maxConns, 0)
	all[2].turn(false) // its server learns late that it is gone
	_ = all[2].Close()
	g.wantTaken(t, maxConns, 0)
	if n := g.users[1000]; n != 2 {
		t.Errorf("%d connections of the first user are counted, want 2", n)
	}
}

func TestWhoeverIsServedKeepsItsPlace(t *testing.T) {
	g := newGate(nil, nil, zap.NewNop())
	all := g.crowd(t)
	for _, c := range all {
		c.turn(true)
	}
	g.wantTurnedAway(t, 2000, false)
	g.mustEnter(t, 0, true) // root has places of its own
	all[7].turn(false)
	if _, evicted := g.mustEnter(t, 2000, false); evicted != all[7] {
		t.Error("the one that is quiet is not the one that goes")
	}
}

func TestRootsConnectionsAreBoundedToo(t *testing.T) {
	g := newGate(nil, nil, zap.NewNop())
	first, _ := g.mustEnter(t, 0, true)
	for range maxPrivileged - 1 {
		g.mustEnter(t, 0, true)
	}
	if _, evicted := g.mustEnter(t, 0, true); evicted != first {
		t.Error("the oldest does not go")
	}
	g.wantTaken(t, 0, maxPrivileged)
	if len(g.users) != 0 {
		t.Errorf("root is counted among %v", g.users)
	}
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

// Whoever has not sent a whole head is quiet, and whoever has had an answer.
func TestTheServerTellsTheGateWhoIsQuiet(t *testing.T) {
	d := access.NewDirectory()
	backend := &fakeBackend{directory: d, arrival: make(chan struct{}), waiting: make(chan struct{}, 1)}
	socket := filepath.Join(openPlace(t), "s")
	g := newGate(mustListen(t, socket, "", 0o600), d, zap.NewNop())
	var conns sync.WaitGroup
	server, err := New(Options{Backend: backend, Directory: d, Logger: zap.NewNop()}).server(t.Context(), &conns)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(g) }()
	defer func() {
		_ = server.Close()
		<-served
		conns.Wait()
		g.wantTaken(t, 0, 0)
	}()
	const request = " HTTP/1.1\r\nHost: h\r\n"
	connect(t, socket) // silent
	send(t, connect(t, socket), "GET /v1/status"+request+"A:")
	answered := connect(t, socket)
	send(t, answered, "GET "+pathHealth+request+"\r\n")
	readAnswer(t, bufio.NewReader(answered), "GET")
	waiting := connect(t, socket)
	send(t, waiting, "GET "+pathCredentials+"/"+brokenHost+request+"Prefer: wait=30\r\n\r\n")
	<-backend.waiting
	g.awaitQuiet(t, 3)
	g.wantTaken(t, 0, 4)
	backend.arrival <- struct{}{}
	readAnswer(t, bufio.NewReader(waiting), "GET")
	g.awaitQuiet(t, 4)
}

// awaitQuiet waits until so many privileged guests have no request under way.
func (g *gate) awaitQuiet(t *testing.T, want int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		g.mu.Lock()
		got := g.privileged.quiet.Len()
		g.mu.Unlock()
		if got == want {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%d are quiet, want %d", got, want)
		}
	}
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
	_, _ = newGate(exhausted{}, access.NewDirectory(), zap.New(core)).Accept()
	if all := logs.All(); len(all) != 1 || !strings.Contains(all[0].ContextMap()["hint"].(string), "LimitNOFILE=") {
		t.Errorf("logged %v", all)
	}
}
