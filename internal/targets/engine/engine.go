// Package engine is the target that logs the Docker Engine in: for each login
// it sends POST /auth of the Engine API, and the engine asks the registry.
//
// The engine stores nothing of it. What /auth proves is that the login works
// from where images will be pulled: with the engine's network, proxy, DNS and
// certificate authorities. There is nothing that somebody could undo, so the
// Target is no renew.Checker. The credentials that pulls use are written by
// other targets.
//
// Which engine is meant is decided again at each Store, as the docker command
// decides it (see Options), and so is the version of the API: an engine that
// was upgraded or moved meanwhile is found without a restart of the daemon.
package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

const (
	// parallel bounds the requests of one Target, over all its Stores.
	parallel = 8
	// defaultTimeout is what Options.Timeout means when it is zero.
	defaultTimeout = 30 * time.Second
	// secondTry is the pause before a registry that answered nonsense or
	// nothing is asked once more. Such answers are short-lived.
	secondTry = 500 * time.Millisecond
)

// Target logs one engine in. It is safe for concurrent use.
type Target struct {
	options  Options
	env      environment
	pause    time.Duration // before a second try
	slots    chan struct{} // holds one entry per request under way
	turn     chan struct{} // is full while the engine is looked for
	secrets  secrets
	resolved atomic.Pointer[string] // the engine of the last Store, for String
}

var (
	_ renew.Target = (*Target)(nil)
	_ renew.Warner = (*Target)(nil)
	_ renew.Prober = (*Target)(nil)
)

// New builds the target. It touches no file and no socket.
func New(o Options) *Target {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Target{options: o, env: processEnvironment(), pause: secondTry, slots: make(chan struct{}, parallel), turn: make(chan struct{}, 1)}
}

// String names the engine for people and says what named it, as far as both are known yet:
// Store and Warning find out.
func (t *Target) String() string {
	switch host := t.resolved.Load(); {
	case host != nil:
		return "docker engine at " + *host
	case t.options.Context != "":
		return fmt.Sprintf("docker engine of context %q", t.options.Context)
	case t.options.Host != "":
		return "docker engine at " + printable(t.options.Host)
	}
	return "docker engine"
}

// Store proves each login through the engine. An engine that cannot be reached
// gives one *fault.Error for the whole call; otherwise the error is a
// fault.List with a member for each cause, which names its hosts.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	if len(logins) == 0 {
		return nil
	}
	t.secrets.add(logins, time.Now())
	s, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := t.ping(ctx, s); err != nil {
		return err
	}
	return report(ctx, t.loginAll(ctx, s, logins), t.secrets.clean)
}

// Probe is Store: the engine keeps nothing of it.
func (t *Target) Probe(ctx context.Context, logins []login.Login) error { return t.Store(ctx, logins) }

// Warning says that docker's configuration cannot be read, which may name another engine.
func (t *Target) Warning(ctx context.Context) string {
	s, err := t.open(ctx)
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

// Forget has nothing to do: the engine stores no login.
func (t *Target) Forget(context.Context, func(host string) bool) error { return nil }

// open finds the engine and prepares a session with it. That reads files, so it is done
// in a goroutine of its own: a file system that hangs must not take the caller with it.
// The goroutine then keeps the turn until the kernel lets go of it, so that there
// is never more than one for a Target. The error is a fault.
func (t *Target) open(ctx context.Context) (*session, error) {
	limited, cancel := context.WithTimeout(ctx, t.options.Timeout)
	defer cancel()
	select {
	case t.turn <- struct{}{}:
	case <-limited.Done():
		return nil, hung(ctx)
	}
	type result struct {
		session *session
		err     error
	}
	done := make(chan result)
	go func() {
		s, err := t.find(ctx)
		<-t.turn
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

func (t *Target) find(ctx context.Context) (*session, error) {
	where, err := t.env.resolve(t.options)
	if err != nil {
		return nil, err
	}
	name := where.String() + ", from " + where.why
	t.resolved.Store(&name)
	if where.scheme == "unix" {
		_, _ = os.Stat(where.target) // where this hangs, connecting would, and nothing could end that
	}
	return open(ctx, where, t.secrets.clean)
}

// hung is the fault of a search for the engine that has not come to an end.
func hung(ctx context.Context) *fault.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return interrupted(ctx, nil)
	}
	return &fault.Error{Reason: fault.Local, Op: "find the docker engine", Err: filetrust.ErrHangs, Hint: hangHint}
}

// ping reaches the engine and settles the API version. It takes a slot, so that
// many Stores at once do not open many ssh connections at once.
func (t *Target) ping(ctx context.Context, s *session) error {
	if !t.acquire(ctx) {
		return interrupted(ctx, nil)
	}
	defer t.release()
	limited, cancel := context.WithTimeout(ctx, t.options.Timeout)
	defer cancel()
	err := s.ping(limited)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return interrupted(ctx, nil)
	}
	return err
}

// loginAll gives one result for each login, in their order. Slots are waited for
// one at a time, so that Stores which run at once get turns.
func (t *Target) loginAll(ctx context.Context, s *session, logins []login.Login) []result {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	results := make([]result, len(logins))
	var asked sync.WaitGroup
	for i, l := range logins {
		results[i].host = l.Host
		if !t.acquire(ctx) {
			continue
		}
		asked.Go(func() {
			defer t.release()
			results[i] = t.loginOne(ctx, s, l)
			if results[i].verdict.concernsAll {
				stop()
			}
		})
	}
	asked.Wait()
	return results
}

// loginOne asks a second time when the first answer says nothing about the token.
func (t *Target) loginOne(ctx context.Context, s *session, l login.Login) result {
	limited, cancel := context.WithTimeout(ctx, t.options.Timeout)
	defer cancel()
	r := s.login(limited, l)
	if r.outcome == failed && r.verdict.fleeting && sleep(limited, t.pause) {
		r = s.login(limited, l)
	}
	if r.late && ctx.Err() != nil {
		return result{host: l.Host}
	}
	return r
}

func (t *Target) acquire(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case t.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *Target) release() { <-t.slots }

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// interrupted is the fault of the hosts whose turn did not come, or whose answer
// did not, before the caller's ctx ended. No hosts mean all of the call.
func interrupted(ctx context.Context, hosts []string) *fault.Error {
	hint := ""
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		hint = "the engine or the registries are slow: look with `journalctl -u docker`, or raise the timeout"
	}
	return &fault.Error{Reason: fault.Network, Op: "log the docker engine in", Err: ctx.Err(), Hint: hint, Hosts: hosts}
}

func processEnvironment() environment {
	return environment{getenv: os.Getenv, home: homeDir, root: os.Geteuid() == 0, socket: defaultSocket}
}
