package daemon

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/ecr"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/schedule"
	"ecr-refreshd/internal/status"
)

// generation is everything that one version of the configuration leads to. It
// is built whole before anything of it runs.
type generation struct {
	config    *config.Config
	loaded    time.Time
	renewers  []*renew.Renewer // one for each of config.Grants
	targets   map[string]config.Destination
	board     *status.Board
	providers providers
	replaced  chan struct{} // closed when another generation is in its place
}

// observers hands each event to all of them.
type observers []renew.Observer

func (os observers) Observe(e renew.Event) {
	for _, o := range os {
		o.Observe(e)
	}
}

// build makes a generation; it touches no file, socket or goroutine. Its error
// names the setting that is wrong.
func (d *Daemon) build(c *config.Config) (*generation, error) {
	g := &generation{config: c, loaded: time.Now(), targets: make(map[string]config.Destination), replaced: make(chan struct{})}
	for _, t := range c.Targets {
		made, err := t.Options.New()
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", t.Name, err)
		}
		g.targets[t.Name] = made
	}
	times, err := schedule.Parse(c.Refresh.Schedule...)
	if err != nil {
		return nil, err
	}
	grants := name(c.Grants)
	g.board = status.New(g.rows(grants))
	for i, grant := range c.Grants {
		source := ecr.New(grant.Identity, grant.Region, grant.Public,
			ecr.Options{Timeout: c.Refresh.Timeout, Clients: d.clients})
		g.renewers = append(g.renewers, renew.New(renew.Config{
			Grant:    grants[i],
			Hosts:    hosts(grant, ""),
			Source:   source,
			Bindings: g.bindings(grant),
			Policy: renew.Policy{At: c.Refresh.At, Jitter: c.Refresh.Jitter, Schedule: times,
				Initial: c.Refresh.BackoffInitial, Max: c.Refresh.BackoffMax},
			FetchLimit: c.Refresh.Timeout,
			Observer:   append(observers{g.board}, d.Observers...),
		}))
	}
	g.providers = newProviders(c, g.renewers, d.directory)
	return g, nil
}

// bindings joins a grant's hosts with their targets.
func (g *generation) bindings(grant config.Grant) []renew.Binding {
	var bs []renew.Binding
	for _, t := range g.config.Targets {
		if hs := hosts(grant, t.Name); len(hs) > 0 {
			bs = append(bs, renew.Binding{Name: t.Name, Target: g.targets[t.Name], Hosts: hs})
		}
	}
	return bs
}

// hosts lists the grant's hosts that the target holds; all for an empty target.
func hosts(grant config.Grant, target string) []string {
	var names []string
	for _, h := range grant.Hosts {
		if target == "" || slices.Contains(h.Targets, target) {
			names = append(names, h.Name)
		}
	}
	return names
}

// name gives each grant a name for people that no other grant has.
func name(grants []config.Grant) []renew.Grant {
	named := make([]renew.Grant, len(grants))
	taken := make(map[renew.Grant]int)
	for i, g := range grants {
		n := renew.Grant{Region: g.Region, Identity: g.Identity.String(), Public: g.Public}
		if taken[n]++; taken[n] > 1 { // they differ in an endpoint or an external id, say
			n.Identity = fmt.Sprintf("%s (%d)", n.Identity, taken[n])
		}
		named[i] = n
	}
	return named
}

func (g *generation) rows(grants []renew.Grant) []status.Row {
	var rows []status.Row
	for i, grant := range g.config.Grants {
		for _, h := range grant.Hosts {
			r := status.Row{Grant: grants[i], Registry: status.Registry{Host: h.Name, Account: h.Account,
				Region: h.Region, Identity: grants[i].Identity, Targets: make([]status.Target, 0, len(h.Targets))}}
			for _, t := range h.Targets {
				r.Targets = append(r.Targets, status.Target{Name: t, Type: g.target(t).Type})
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// start runs every renewer until stop is called or ctx ends; done is closed when
// all have ended.
func (g *generation) start(ctx context.Context) (stop context.CancelFunc, done <-chan struct{}) {
	running, cancel := context.WithCancel(ctx)
	all := make(chan struct{})
	go func() {
		defer close(all)
		var wg sync.WaitGroup
		for _, r := range g.renewers {
			wg.Go(func() { _ = r.Run(running) }) // returns its context's error and nothing else
		}
		wg.Wait()
	}()
	return cancel, all
}

// announced waits until the tokens that were adopted are on the board.
func (g *generation) announced(ctx context.Context) {
	for _, r := range g.renewers {
		if _, held := r.Held(); held {
			_, _ = r.Until(ctx, func(s renew.State) bool { return s.Tokens > 0 }) // no more can be done about it
		}
	}
}

// sameTarget tells of a target's name whether it means the same in both.
func (g *generation) sameTarget(old *generation) func(name string) bool {
	return func(name string) bool {
		a, b := g.target(name), old.target(name)
		return a != nil && b != nil && reflect.DeepEqual(a, b)
	}
}

// target gives the configured target of that name; nil for none.
func (g *generation) target(name string) *config.Target {
	i := slices.IndexFunc(g.config.Targets, func(t config.Target) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &g.config.Targets[i]
}
