package api

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/peerauth"
)

func TestConnectionsOfNoUseAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := peerauth.NewDirectory()
		var conns sync.WaitGroup
		server := New(Options{Backend: &fakeBackend{directory: d}, Directory: d, Logger: zap.NewNop()}).server(t.Context(), &conns)
		accepted, served := make(pipes), make(chan error, 1)
		go func() { served <- server.Serve(accepted) }()
		open := func() net.Conn {
			theirs, ours := net.Pipe()
			accepted <- &admitted{Conn: ours, leave: func() {}}
			return theirs
		}
		wantClosed := func(name string, c net.Conn, after time.Duration) {
			t.Helper()
			start := time.Now()
			rest, _ := io.ReadAll(c)
			if took := time.Since(start); took != after || len(rest) != 0 {
				t.Errorf("%s: closed after %v with %q, want %v", name, took, rest, after)
			}
		}
		const request = "GET " + pathHealth + " HTTP/1.1\r\nHost: h\r\n"
		silent := open()
		send(t, silent, request)
		wantClosed("half a request", silent, headerTime)
		idle := open()
		send(t, idle, request+"\r\n")
		readAnswer(t, bufio.NewReader(idle), "GET")
		wantClosed("no further request", idle, idleTime)
		slow := open()
		send(t, slow, request+"\r\n")
		time.Sleep(writeTime + time.Second)
		wantClosed("an answer that nobody takes", slow, 0)
		close(accepted)
		<-served
		_ = server.Close()
		conns.Wait()
	})
}
