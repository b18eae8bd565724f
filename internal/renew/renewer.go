package renew

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"ecr-refreshd/internal/login"
)

// Binding is a target and the hosts of the grant that it is to hold.
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
	Endpoint *Endpoint // shared with the grants that ask the same endpoint; nil for one alone
	Observer Observer
	Attempt  time.Duration    // the longest that a Fetch takes; Stuck goes by it
	Wall     func() time.Time // the wall clock; nil for time.Now
}

// Renewer keeps one grant's token fresh and its targets in step. Its methods
// are safe for concurrent use; Run and Once are called once, and not both.
type Renewer struct {
	Config
	clock    *clock
	keepers  []*keeper
	wake     chan struct{}
	rejected chan login.Secret         // tokens that a registry refused while they were fresh
	turned   atomic.Pointer[time.Time] // when the loop last came round; nil unless it runs

	mu       sync.Mutex
	held     *held // the last token, perhaps expired: Held knows
	former   bool  // held was adopted, and is to be replaced at once
	progress progress
}

// held is a token on the renewer's own clock.
type held struct {
	login.Token
	obtained, expires time.Duration
}

// New builds a Renewer; it starts nothing.
func New(c Config) *Renewer {
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Endpoint == nil {
		c.Endpoint = new(Endpoint)
	}
	r := &Renewer{
		Config:   c,
		clock:    newClock(c.Wall),
		wake:     make(chan struct{}, 1),
		rejected: make(chan login.Secret, 1),
	}
	for _, b := range c.Bindings {
		r.keepers = append(r.keepers, &keeper{Renewer: r, Binding: b, orders: make(chan order, 1)})
	}
	return r
}

// Adopt gives the Renewer, before Run, a token that is held already: from before a
// reload or of the former process. A former one, which may be of another identity,
// serves until the first of the own one is there, which is fetched at once. An expired
// one is ignored.
func (r *Renewer) Adopt(t login.Token, former bool) {
	passed, wall := r.clock.read()
	if left := t.ExpiresAt.Sub(wall); left > 0 {
		r.hold(&held{t, passed - wall.Sub(t.ObtainedAt), passed + left}, former)
	}
}

// Held gives the token while it is valid. Its times fit the present wall
// clock, even when that has been set meanwhile.
func (r *Renewer) Held() (login.Token, bool) {
	passed, wall := r.clock.read()
	h := r.holding()
	if h == nil || passed >= h.expires {
		return login.Token{}, false
	}
	t := h.Token
	t.ObtainedAt, t.ExpiresAt = wall.Add(h.obtained-passed), wall.Add(h.expires-passed)
	return t, true
}

// Former reports whether the held token is still one that was adopted to be
// replaced at once.
func (r *Renewer) Former() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.former
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
// after its targets' goroutines have ended.
func (r *Renewer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, k := range r.keepers {
		wg.Go(func() { k.run(ctx) })
	}
	newLoop(r).run(ctx)
	r.turned.Store(nil)
	wg.Wait()
	r.advance(func(p *progress) { p.over = true })
	return ctx.Err()
}

func (r *Renewer) holding() *held {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *Renewer) hold(h *held, former bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.former = h, former
}

// fetch makes one attempt and, when it succeeds, holds the token.
func (r *Renewer) fetch(ctx context.Context) (*held, time.Duration, error) {
	obtained, wall := r.clock.read()
	started := time.Now()
	t, err := r.Source.Fetch(ctx)
	took := time.Since(started)
	if err != nil {
		return nil, took, err
	}
	if t.ObtainedAt.IsZero() {
		t.ObtainedAt = wall
	}
	reported := t.ExpiresAt
	if t, err = correct(t); err != nil {
		r.observe(Event{Kind: ClockWrong, Account: t.Account, ExpiresAt: reported, Err: err})
	}
	h := &held{t, obtained, obtained + t.ExpiresAt.Sub(t.ObtainedAt)}
	r.hold(h, false)
	return h, took, nil
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
