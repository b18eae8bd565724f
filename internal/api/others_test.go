package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/testuser"
)

func TestMain(m *testing.M) {
	switch testuser.Role() {
	case "client":
		playClient(os.Args[1])
	case "crowd":
		playCrowd(os.Args[1])
	default:
		os.Exit(m.Run())
	}
}

// saw is what a client got, each as the password or an error's text and hint.
type saw struct{ Credential, Status, Refresh string }

func playClient(socket string) {
	c, ctx := Dial([]string{socket}), context.Background()
	l, err := c.Credential(ctx, goodHost, 0)
	s := saw{Credential: l.Secret.Reveal() + said(err)}
	_, err = c.Status(ctx)
	s.Status = said(err)
	_, err = c.Refresh(ctx, goodHost)
	s.Refresh = said(err)
	_ = json.NewEncoder(os.Stdout).Encode(s)
}

func said(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return fmt.Sprintf("%v; %s; refused=%v none=%v", f, f.Hint, errors.Is(err, ErrRefused), errors.Is(err, ErrNoDaemon))
	}
	return fmt.Sprint(err)
}

// playCrowd opens more connections than a user may have, tells when those beyond
// have been closed, and keeps the others until its input ends.
func playCrowd(socket string) {
	const beyond = 5
	for i := range maxUserConn + beyond {
		c, err := net.Dial("unix", socket)
		if err != nil {
			panic(err)
		}
		if i >= maxUserConn {
			if n, err := io.ReadAll(c); len(n) > 0 || err != nil {
				panic(err)
			}
		}
	}
	fmt.Println("closed")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// play makes the test binary's command in a role, as another user.
func play(t *testing.T, role, socket string) *exec.Cmd {
	t.Helper()
	return testuser.Play(t, role, socket, testuser.As(testuser.Other, testuser.Other))
}

func clientSaw(t *testing.T, socket string) saw {
	t.Helper()
	out, err := play(t, "client", socket).Output()
	if err != nil {
		t.Fatal(err)
	}
	var s saw
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnotherUserGetsNothingThatIsNotAllowed(t *testing.T) {
	b := newBed(t)
	s := clientSaw(t, b.socket)
	for _, want := range []string{"uid 47001, process ", goodHost, `add "47001" to allow.users`, "refused=true"} {
		if !strings.Contains(s.Credential, want) {
			t.Errorf("%q is not in %q", want, s.Credential)
		}
	}
	if s.Status != "<nil>" || !strings.Contains(s.Refresh, "uid 47001") || !strings.Contains(s.Refresh, "refused=true") {
		t.Errorf("got %+v", s)
	}
	lines := b.logs.FilterMessage("credential refused").All()
	if len(lines) != 1 || lines[0].ContextMap()["uid"] != uint32(testuser.Other) || !reflect.DeepEqual(lines[0].ContextMap()["host"], []any{goodHost}) {
		t.Errorf("logged %v", lines)
	}
	b.wantNoSecret(t)
}

func TestAnotherUserGetsWhatIsAllowed(t *testing.T) {
	b := newBed(t, "47001")
	s := clientSaw(t, b.socket)
	if s.Credential != canary+"<nil>" || s.Status != "<nil>" || !strings.Contains(s.Refresh, "refused=true") {
		t.Errorf("got %+v", s)
	}
	if b.who.UID != testuser.Other || b.who.GID != testuser.Other || b.who.PID == 0 {
		t.Errorf("asked by %+v", b.who)
	}
}

func TestASocketThatLetsNobodyElseInSaysWhatToSet(t *testing.T) {
	b := newBed(t)
	if err := os.Chmod(b.socket, 0o660); err != nil {
		t.Fatal(err)
	}
	s := clientSaw(t, b.socket)
	for _, want := range []string{"this user may not connect", "socket.group", "none=true"} {
		if !strings.Contains(s.Status, want) {
			t.Errorf("%q is not in %q", want, s.Status)
		}
	}
}

func TestOneUsersCrowdIsTurnedAwayAndNobodyElse(t *testing.T) {
	path := filepath.Join(testuser.Dir(t, 0o755), "s")
	l, err := Listen(t.Context(), path, "", 0o666)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.WarnLevel)
	g := newGate(l, peerauth.NewDirectory(), zap.New(core))
	guests, done := make(chan net.Conn, 2*maxUserConn), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := g.Accept()
			if err != nil {
				return
			}
			guests <- c
		}
	}()
	crowd := play(t, "crowd", path)
	in, err := crowd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := crowd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crowd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Read(make([]byte, 6)); n != 6 {
		t.Fatal(err)
	}
	connect(t, path) // root is let in
	for range maxUserConn + 1 {
		c := <-guests
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		_ = c.Close() // counts once
	}
	_ = in.Close()
	if err := crowd.Wait(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-done
	g.wantCounted(t, 0, nil)
	if n := logs.FilterMessage("connections turned away").Len(); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
}
