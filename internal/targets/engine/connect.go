package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
)

// defaultTimeout is what Options.Timeout means when it is zero.
const defaultTimeout = 30 * time.Second

// Connector finds one engine and connects to it. It is for every kind of target that
// talks with an engine, and safe for concurrent use.
type Connector struct {
	options  Options
	uses     string // the requests that are made, for the hint about a socket proxy
	limit    int64  // of an answer, in bytes
	env      environment
	turn     chan struct{} // is full while the engine is looked for
	secrets  secrets
	resolved atomic.Pointer[string] // the engine that was found last, for String
}

// NewConnector touches no file and no socket. uses says which requests a proxy in front of the
// engine has to let pass, besides the ping; answers have at most limit bytes.
func NewConnector(o Options, uses string, limit int64) *Connector {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Connector{options: o, uses: uses, limit: limit, env: processEnvironment(), turn: make(chan struct{}, 1)}
}

// String names the engine for people and says what named it, as far as both are known yet:
// connecting and Warning find out.
func (c *Connector) String() string {
	switch host := c.resolved.Load(); {
	case host != nil:
		return "docker engine at " + *host
	case c.options.Context != "":
		return fmt.Sprintf("docker engine of context %q", c.options.Context)
	case c.options.Host != "":
		return "docker engine at " + printable(c.options.Host)
	}
	return "docker engine"
}

// Warning says that docker's configuration cannot be read, which may name another engine.
func (c *Connector) Warning(ctx context.Context) string {
	s, err := c.open(ctx)
	if err != nil {
		return "" // Store reports it
	}
	defer s.close()
	if s.where.passedOver == nil {
		return ""
	}
	if errors.Is(s.where.passedOver, filetrust.ErrTooLarge) { // which docker reads
		return fmt.Sprintf("%v; the engine is taken for %s: if that file names a context, set the target's context or host", s.where.passedOver, s.where)
	}
	return fmt.Sprintf("%v; docker passes such a file over, and so the engine is %s: correct the file, or set the target's host", s.where.passedOver, s.where)
}

// Mask keeps the secrets of the logins, which are about to be sent, out of all that is shown
// of the engine's answers.
func (c *Connector) Mask(logins []login.Login) { c.secrets.add(logins, time.Now()) }

// Connect finds the engine and reaches it. Its error is a *fault.Error.
func (c *Connector) Connect(ctx context.Context) (*Connection, error) {
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.reach(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	return &Connection{s, c.options.Timeout}, nil
}

// open finds the engine and prepares a session with it. That reads files, so it is done
// in a goroutine of its own: a file system that hangs must not take the caller with it.
// The goroutine then keeps the turn until the kernel lets go of it, so that there
// is never more than one for a Connector. The error is a fault.
func (c *Connector) open(ctx context.Context) (*session, error) {
	limited, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	select {
	case c.turn <- struct{}{}:
	case <-limited.Done():
		return nil, hung(ctx)
	}
	type result struct {
		session *session
		err     error
	}
	done := make(chan result)
	go func() {
		s, err := c.find(ctx)
		<-c.turn
		select {
		case done <- result{s, err}:
		case <-limited.Done():
			if s != nil {
				s.close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.session, r.err
	case <-limited.Done():
		return nil, hung(ctx)
	}
}

func (c *Connector) find(ctx context.Context) (*session, error) {
	where, err := c.env.resolve(c.options)
	if err != nil {
		return nil, err
	}
	name := where.String() + ", from " + where.why
	c.resolved.Store(&name)
	if where.scheme == "unix" {
		_, _ = os.Stat(where.target) // where this hangs, connecting would, and nothing could end that
	}
	s, err := open(ctx, where, c.limit, c.secrets.clean)
	if err == nil {
		s.uses = c.uses
	}
	return s, err
}

// hung is the fault of a search for the engine that has not come to an end.
func hung(ctx context.Context) *fault.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return interrupted(ctx, nil)
	}
	return &fault.Error{Reason: fault.Local, Op: "find the docker engine", Err: filetrust.ErrHangs, Hint: hangHint}
}

// reach reaches the engine and settles the API version.
func (c *Connector) reach(ctx context.Context, s *session) error {
	limited, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	err := s.ping(limited)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return interrupted(ctx, nil)
	}
	return err
}

func processEnvironment() environment {
	return environment{getenv: os.Getenv, home: homeDir, root: os.Geteuid() == 0, socket: defaultSocket}
}
