package renew

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"ecr-refreshd/internal/login"
)

// Binding is a target and the hosts of the grant whose logins it must hold.
type Binding struct {
	Name   string
	Target Target
	Hosts  []string // may contain login.OwnAccount
}

// Config is what a Renewer is made of.
type Config struct {
	Grant    Grant
	Hosts    []string // every host of the grant; may contain login.OwnAccount
	Source   Source
	Bindings []Binding
	Policy   Policy
	Observer Observer
	// FetchLimit is the longest that the Source lets a Fetch take; Stuck allows for it.
	FetchLimit time.Duration
	Wall       func() time.Time // the wall clock; nil for time.Now
}

// Renewer keeps one grant's token fresh and its targets in step. Its methods
// are safe for concurrent use, but Run, Once and Fetch: one of them is called, once.
type Renewer struct {
	Config
	clock         *clock
	targets       []*delivery
	wake          chan struct{}     // makes the loop renew the token
	recheck       chan struct{}     // makes the loop read the clock and do what is due
	refusedTokens chan login.Secret // fresh tokens that a registry refused

	mu    sync.Mutex
	last  *timedToken // the last token, perhaps expired
	state State
}

// New builds a Renewer; it starts nothing.
func New(c Config) *Renewer {
	if c.Wall == nil {
		c.Wall = time.Now
	}
	r := &Renewer{
		Config:        c,
		clock:         newClock(c.Wall),
		wake:          make(chan struct{}, 1),
		recheck:       make(chan struct{}, 1),
		refusedTokens: make(chan login.Secret, 1),
	}
	for _, b := range c.Bindings {
		r.targets = append(r.targets, &delivery{Binding: b, renewer: r})
	}
	return r
}

// Wake asks for a renewal now. It never blocks; several calls before the next
// attempt count as one.
func (r *Renewer) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run renews until ctx ends and never gives up before. It returns ctx's error,
// after the goroutines of its deliveries have ended. The logins stay in the targets.
func (r *Renewer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, d := range r.targets {
		wg.Go(func() { d.run(ctx) })
	}
	newLoop(r).run(ctx)
	wg.Wait()
	r.update(func(s *State) { s.Over = true })
	return ctx.Err()
}

// observe fills in what every event of this grant has in common.
func (r *Renewer) observe(e Event) {
	e.Grant = r.Grant
	if e.At.IsZero() {
		_, e.At = r.clock.read()
	}
	if e.Hosts == nil {
		e.Hosts = hostsOf(loginsFor(r.Hosts, login.Token{Account: e.Account}))
	}
	r.Observer.Observe(e)
}

func loginsFor(hosts []string, t login.Token) []login.Login {
	logins := make([]login.Login, len(hosts))
	for i, h := range hosts {
		logins[i] = t.For(h)
	}
	return logins
}

func hostsOf(logins []login.Login) []string {
	hosts := make([]string, len(logins))
	for i, l := range logins {
		hosts[i] = l.Host
	}
	return hosts
}

func draw() float64 { return rand.Float64() }
