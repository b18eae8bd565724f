package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"ecr-refreshd/internal/access"
)

const (
	headerTime  = 5 * time.Second  // to send a request
	idleTime    = 30 * time.Second // between two requests
	headerBytes = 8 << 10
	// stopTime bounds each of the two steps of the shutdown: answers under way,
	// then handlers that have lost their connection.
	stopTime = time.Second
)

// Options is what a Server needs.
type Options struct {
	Backend   Backend
	Directory *access.Directory // the one that the Backend's rules use
	Logger    *zap.Logger
}

// Server answers on a Unix socket. Use one for the life of a process.
type Server struct {
	backend   Backend
	directory *access.Directory
	logger    *zap.Logger
	journal   *journal
	snapshot  snapshot
	handler   http.Handler
}

// New builds a Server and touches nothing.
func New(o Options) *Server {
	s := &Server{backend: o.Backend, directory: o.Directory, logger: o.Logger,
		journal: newJournal(o.Logger, o.Directory), snapshot: snapshot{status: o.Backend.Status}}
	s.handler = s.routes()
	return s
}

// peerKey finds the access.Peer in the context of a connection.
type peerKey struct{}

func peerOf(r *http.Request) access.Peer {
	p, _ := r.Context().Value(peerKey{}).(access.Peer)
	return p
}

// Serve answers on l until ctx ends, closes l, and returns nil when the last
// answer is out or cut, 2 seconds later at most. Requests that wait are answered
// at once then. An error means that l failed by itself. l must give
// *net.UnixConn.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	complaints, err := zap.NewStdLogAt(s.logger, zapcore.DebugLevel)
	if err != nil {
		return fmt.Errorf("serve the local API: %w", err)
	}
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var conns sync.WaitGroup // one for each goroutine that serves a connection
	server := &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTime, // no ReadTimeout: it would end a request that waits
		WriteTimeout:                 writeTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               headerBytes,
		ErrorLog:                     complaints,
		BaseContext:                  func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, c.(*guest).peer)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed:
				conns.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(newGate(l, s.directory, s.logger)) }()
	stop := func() {
		cut()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if server.Shutdown(bounded) != nil {
			_ = server.Close()
		}
	}
	select {
	case err := <-served:
		stop()
		await(&conns)
		return fmt.Errorf("serve the local API: %w", err)
	case <-ctx.Done():
		stop()
		<-served
		await(&conns)
		return nil
	}
}

// await waits for connections that were cut. A Backend that does not honour its
// context cannot hold up the shutdown.
func await(conns *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { conns.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(stopTime):
	}
}

// serve is around every handler.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	switch {
	case r.ContentLength != 0:
		// Nothing here takes a body. What came of it is in the way of the next
		// request, and the server would read on: an old deadline stops that.
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		refuse(w, r, http.StatusRequestEntityTooLarge, invalid("a request with a body", "send none"))
	case !clean(r.URL):
		refuse(w, r, http.StatusNotFound, unknownPath(r))
	default:
		s.handler.ServeHTTP(w, r)
	}
}

// recover ends a request that went wrong, and only that. What was thrown may
// hold anything, a secret too, so only its type is logged.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	thrown := recover()
	if thrown == nil {
		return
	}
	if err, ok := thrown.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.logger.Error("request ended by a panic", zap.String("type", fmt.Sprintf("%T", thrown)), zap.ByteString("stack", debug.Stack()))
	w.Header().Set("Connection", "close")
	refuse(w, r, http.StatusInternalServerError, invalid("this request met a defect of ecr-refreshd",
		"the journal of ecr-refreshd has the details; please report it"))
}
