// Package web is the server at http.listen: metrics, health and the page, over TCP. It answers
// GET and HEAD and nothing else, asks nobody who they are, and therefore has neither secrets
// nor anything that changes something. What it shows comes from handlers of other packages,
// save for health.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/fault"
)

const (
	requestTime = 5 * time.Second  // to send a request
	writeTime   = 10 * time.Second // to make an answer and to take it
	idleTime    = 90 * time.Second // between two requests; most scrape once a minute
	// headBytes bounds the head of a request, to which net/http adds 4 KiB. A browser sends the
	// cookies of everything else that this host serves.
	headBytes = 8 << 10
	// maxConns is how many connections there may be. Prometheus keeps one, a browser up to six.
	maxConns = 128
	// sendBuffer is the kernel's memory for an answer that nobody reads, in bytes as setsockopt
	// takes it, which doubles it. Without it each connection could hold a whole answer.
	sendBuffer = 64 << 10
	// finishTime is for answers under way at the end; then they are cut.
	finishTime = time.Second
)

// Options are what a server shows.
type Options struct {
	Handlers map[string]http.Handler // by path
	Page     http.Handler            // for every other path
	Logger   *zap.Logger
}

// Serve answers on l until ctx ends, closes l, and returns nil when the last answer is out or
// cut, a second later at most. An error, a *fault.Error, means that l failed by itself. It answers for the names
// of this host, which l knows, and for its addresses.
func Serve(ctx context.Context, l *Listener, o Options) error {
	server := &http.Server{
		Handler:                      o.guard(l.names),
		DisableGeneralOptionsHandler: true,
		ReadTimeout:                  requestTime,
		WriteTimeout:                 writeTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               headBytes,
		ErrorLog:                     log.New(io.Discard, "", 0), // what clients do wrong
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(&crowd{Listener: l, room: make(chan struct{}, maxConns)}) }()
	var err error
	select {
	case err = <-served:
		err = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("serve at http.listen, %s", l.Addr()), Err: err, Hint: "ecr-refreshd binds it again"}
		served <- nil // for the wait below
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	if server.Shutdown(ending) != nil {
		_ = server.Close()
	}
	<-served // it may not even have begun, and l is its to close
	return err
}

// guard is around all handlers.
func (o Options) guard(names []string) http.Handler {
	mux := http.NewServeMux()
	for path, h := range o.Handlers {
		mux.Handle(path, h)
	}
	mux.Handle("/", o.Page)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer o.recover(w, r)
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // the page has its own
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case !ours(r.Host, names):
			// A page of a stranger whose name was made to lead here must not read anything.
			refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("ecr-refreshd does not answer for the name %.100q: use an address, localhost or this host's name, or write the name in http.listen", r.Host))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %.20q is not allowed: nothing can be changed here; use GET or HEAD", r.Method))
		case r.ContentLength != 0:
			h.Set("Connection", "close") // rather than read what follows
			refuse(w, http.StatusRequestEntityTooLarge, "a request with a body: send none")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// refuse answers with one line.
func refuse(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", plain)
	w.WriteHeader(code)
	_, _ = io.WriteString(w, line+"\n") // the client may have gone
}

const plain = "text/plain; charset=utf-8"

// recover ends a request that went wrong, and only that. Of what was thrown only the type is
// logged, as on the socket.
func (o Options) recover(w http.ResponseWriter, r *http.Request) {
	thrown := recover()
	if thrown == nil {
		return
	}
	if err, ok := thrown.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	o.Logger.Error("request ended by a panic", zap.String("reason", string(fault.Invalid)), zap.String("error", fmt.Sprintf("answer %s %q: panic of type %T", r.Method, r.URL.Path, thrown)),
		zap.String("hint", "this is a defect of ecr-refreshd; please report it with the stack"), zap.ByteString("stack", debug.Stack()))
	w.Header().Set("Connection", "close")
	refuse(w, http.StatusInternalServerError, "this request met a defect of ecr-refreshd; its journal has the details; please report it")
}

// crowd is a listener with room for a number of connections; one more is closed at once, as
// a queue would only make everybody wait for those who do not go.
type crowd struct {
	net.Listener
	room chan struct{}
}

func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case c.room <- struct{}{}:
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetWriteBuffer(sendBuffer)
			}
			return &admitted{conn, sync.OnceFunc(func() { <-c.room })}, nil
		default:
			_ = conn.Close()
		}
	}
}

// admitted is a connection that takes room.
type admitted struct {
	net.Conn
	leave func()
}

func (a *admitted) Close() error {
	defer a.leave()
	return a.Conn.Close()
}
