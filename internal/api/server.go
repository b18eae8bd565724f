package api

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/peerauth"
)

const (
	headerTime = 5 * time.Second  // to send a request
	idleTime   = 30 * time.Second // between two requests
	// headBytes bounds the head of a request; net/http adds 4 KiB to it, which is
	// all that anybody needs. A head of tiny fields takes twenty times its length in
	// memory, in each of a thousand connections.
	headBytes = 1
	// The steps of the shutdown: what is under way may end by itself, then it is
	// cut and may answer, then handlers are left that have lost their connection.
	finishTime = time.Second
	cutTime    = 500 * time.Millisecond
	leaveTime  = 500 * time.Millisecond
)

// Options is what a Server needs.
type Options struct {
	Backend   Backend
	Directory *peerauth.Directory // the one that the Backend's rules use
	Logger    *zap.Logger
	// Watching answers GET on further paths: metrics and health, as elsewhere.
	Watching map[string]http.Handler
	// Answered, when not nil, hears the status of each answer to a request for one login, save for
	// those whose caller has hung up.
	Answered func(code int)
}

// Server answers on a Unix socket. Use one for the life of a process.
type Server struct {
	backend   Backend
	directory *peerauth.Directory
	logger    *zap.Logger
	journal   *journal
	answered  func(code int)
	handler   http.Handler
}

// New builds a Server and touches nothing.
func New(o Options) *Server {
	s := &Server{backend: o.Backend, directory: o.Directory, logger: o.Logger,
		journal: newJournal(o.Logger, o.Directory), answered: o.Answered}
	if s.answered == nil {
		s.answered = func(int) {}
	}
	s.handler = s.routes(o.Watching)
	return s
}

// peerKey finds the peerauth.Peer in the context of a connection.
type peerKey struct{}

func peerOf(r *http.Request) peerauth.Peer {
	p, _ := r.Context().Value(peerKey{}).(peerauth.Peer)
	return p
}

// Serve answers on l until ctx ends, closes l, and returns nil when the last
// answer is out or cut, 2 seconds later at most. Requests under way have half of
// that to be done; those that wait are answered then. An error means that l
// failed by itself. l must give *net.UnixConn.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var conns sync.WaitGroup
	server := s.server(requests, &conns)
	served := make(chan error, 1)
	go func() { served <- server.Serve(newGate(l, s.directory, s.logger)) }()
	stop := func() {
		if shutdown(server, finishTime) {
			return
		}
		cut()
		if !shutdown(server, cutTime) {
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

// server makes the HTTP server for the connections of a gate. Each goroutine that
// serves one counts in conns.
func (s *Server) server(requests context.Context, conns *sync.WaitGroup) *http.Server {
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTime, // no ReadTimeout: it would end a request that waits
		WriteTimeout:                 writeTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               headBytes,
		ErrorLog:                     log.New(complaints{s.logger}, "", 0),
		BaseContext:                  func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, c.(*admitted).peer)
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
}

// complaints takes what net/http logs of connections.
type complaints struct{ logger *zap.Logger }

func (c complaints) Write(text []byte) (int, error) {
	c.logger.Debug("connection to the local API failed", zap.String("error", strings.TrimSpace(string(text))))
	return len(text), nil
}

// shutdown stops listening and reports whether the last answer was out within limit.
func shutdown(server *http.Server, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return server.Shutdown(ctx) == nil
}

// await waits for connections that were cut. A Backend that does not honour its
// context cannot hold up the shutdown.
func await(conns *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { conns.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(leaveTime):
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
	s.logger.Error("request ended by a panic", zap.String("reason", string(fault.Invalid)), zap.String("error", fmt.Sprintf("answer %s %q: panic of type %T", r.Method, r.URL.Path, thrown)),
		zap.String("hint", "this is a defect of ecr-refreshd; please report it with the stack"), zap.ByteString("stack", debug.Stack()))
	w.Header().Set("Connection", "close")
	refuse(w, r, http.StatusInternalServerError, invalid("this request met a defect of ecr-refreshd",
		"the journal of ecr-refreshd has the details; please report it"))
}
