package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/status"
)

var _ api.Backend = (*Daemon)(nil)

// Credential gives a valid login for host to who. While there is none, and one
// may be on its way, it waits for it, for wait at most. The error is or wraps
// api.ErrNotOurs, is an *peerauth.Refusal, or a *fault.Error with the cause.
func (d *Daemon) Credential(ctx context.Context, host string, who peerauth.Peer, wait time.Duration) (login.Login, error) {
	host = strings.ToLower(host)
	g := d.generation()
	providers, err := g.allowed(ctx, host, who)
	if err != nil {
		return login.Login{}, err
	}
	for _, p := range providers { // one that is there goes before one to be waited for
		if t, ok := p.Held(); ok && t.For(p.name).Host == host {
			return t.For(p.name), nil
		}
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		l, err := awaited(waiting, host, providers)
		if !errors.Is(err, renew.ErrEnded) {
			return l, err
		}
		if !g.wait(waiting) {
			return l, restarting(host)
		}
		g = d.generation()
		if providers, err = g.allowed(ctx, host, who); err != nil {
			return login.Login{}, err
		}
	}
}

// restarting is the answer when a reload, or the end, takes longer than a caller
// waits.
func restarting(host string) error {
	return &fault.Error{Reason: fault.Local, Op: "get the credential of " + host, Hint: "try again",
		Err: errors.New("the configuration is just being read again, or the daemon ends")}
}

// wait waits until another generation is in g's place, or ctx ends.
func (g *generation) wait(ctx context.Context) bool {
	select {
	case <-g.replaced:
		return true
	case <-ctx.Done():
		return false
	}
}

// allowed returns the providers of host whose login who may have.
func (g *generation) allowed(ctx context.Context, host string, who peerauth.Peer) ([]provider, error) {
	providers := g.providers.of(host)
	if len(providers) == 0 {
		return nil, api.ErrNotOurs
	}
	barred := func(p provider) bool { return !p.rule.Allows(ctx, who) }
	if len(providers) == 1 && !barred(providers[0]) { // nearly always
		return providers, nil
	}
	allowed := slices.DeleteFunc(slices.Clone(providers), barred)
	if len(allowed) == 0 {
		return nil, providers[0].rule.Refuse(ctx, host, who)
	}
	return allowed, nil
}

// awaited gives the login that one of the providers will have before ctx ends.
func awaited(ctx context.Context, host string, providers []provider) (login.Login, error) {
	var missing error = api.ErrNotOurs
	for _, p := range providers {
		t, err := p.Await(ctx)
		if l := t.For(p.name); err == nil && l.Host == host {
			return l, nil
		} else if err != nil {
			missing = err
		}
	}
	return login.Login{}, missing
}

// Credentials gives the user name for each host that has a valid login which who
// may have. Tokens that may be on their way are waited for, for wait at most.
func (d *Daemon) Credentials(ctx context.Context, who peerauth.Peer, wait time.Duration) map[string]string {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	names := make(map[string]string)
	verdicts := make(map[*peerauth.Rule]bool)
	for _, provider := range d.generation().providers.all {
		allowed, known := verdicts[provider.rule]
		if !known {
			allowed = provider.rule.Allows(ctx, who)
			verdicts[provider.rule] = allowed
		}
		if !allowed {
			continue
		}
		if t, err := provider.Await(waiting); err == nil {
			names[t.For(provider.name).Host] = t.Username
		}
	}
	return names
}

// Refresh renews now, host's token or for "" every one, and returns the rows
// concerned when the targets have dealt with it too. The error is api.ErrNotOurs
// or ctx's; what went wrong is in the rows.
func (d *Daemon) Refresh(ctx context.Context, host string) ([]status.Registry, error) {
	host = strings.ToLower(host)
	for {
		g := d.generation()
		providers := g.providers.all
		if host != "" {
			providers = g.providers.of(host)
		}
		if len(providers) == 0 {
			return nil, api.ErrNotOurs
		}
		if refresh(ctx, providers) && g.wait(ctx) {
			continue
		}
		rows := slices.DeleteFunc(g.board.Registries(time.Now()), func(r status.Registry) bool { return host != "" && r.Host != host })
		return rows, ctx.Err()
	}
}

// refresh renews the tokens of the providers, each once, all at the same time. It
// reports whether a reload came in between; what went wrong is on the board.
func refresh(ctx context.Context, providers []provider) (ended bool) {
	var interrupted atomic.Bool
	var wg sync.WaitGroup
	asked := make(map[*renew.Renewer]bool)
	for _, provider := range providers {
		if asked[provider.Renewer] {
			continue
		}
		asked[provider.Renewer] = true
		wg.Go(func() {
			if errors.Is(provider.Refresh(ctx), renew.ErrEnded) {
				interrupted.Store(true)
			}
		})
	}
	wg.Wait()
	return interrupted.Load()
}

// Status tells how everything stands.
func (d *Daemon) Status() status.Report {
	d.mu.Lock()
	g, refused, socket, http := d.current, d.refused, d.socket, d.http
	d.mu.Unlock()
	return status.Report{
		Version:    d.Version,
		StartedAt:  d.started,
		Config:     status.Config{Path: g.config.Path, LoadedAt: g.loaded, Error: refused},
		Socket:     socket,
		HTTP:       http,
		Registries: g.board.Registries(time.Now()),
	}
}

// Refuse notes for the status that a newer version of the configuration has an
// error, until one is in force that has none.
func (d *Daemon) Refuse(problem error, hint string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused = &status.Problem{Reason: fault.Local, Message: problem.Error(), Hint: hint, At: time.Now()}
}
