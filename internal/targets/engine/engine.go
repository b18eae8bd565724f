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
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

const (
	// parallel bounds the requests of one Target, over all its Stores.
	parallel = 8
	// secondTry is the pause before a registry that answered nonsense or
	// nothing is asked once more. Such answers are short-lived.
	secondTry = 500 * time.Millisecond
	// uses is for Connector.
	uses = "POST /auth (docker-socket-proxy: PING=1, AUTH=1, POST=1), leave this target out, which pulls do not need"
)

// Target logs one engine in. It is safe for concurrent use.
type Target struct {
	*Connector
	pause time.Duration // before a second try
	slots chan struct{} // holds one entry per request under way
}

var (
	_ renew.Target = (*Target)(nil)
	_ renew.Warner = (*Target)(nil)
	_ renew.Prober = (*Target)(nil)
)

// New builds the target. It touches no file and no socket.
func New(o Options) *Target {
	return &Target{Connector: NewConnector(o, uses, answerLimit),
		pause: secondTry, slots: make(chan struct{}, parallel)}
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

// Forget has nothing to do: the engine stores no login.
func (t *Target) Forget(context.Context, func(host string) bool) error { return nil }

// ping takes a slot, so that many Stores at once do not open many ssh connections at once.
func (t *Target) ping(ctx context.Context, s *session) error {
	if !t.acquire(ctx) {
		return interrupted(ctx, nil)
	}
	defer t.release()
	return t.reach(ctx, s)
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
