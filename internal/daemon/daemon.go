// Package daemon is the composition root: it turns a configuration into
// sources, targets and renewers, runs them, and swaps them whole when the
// configuration is read again. It can be embedded in a test. Flags, signals,
// the logger and exit codes belong to the program around it.
package daemon

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/ecr"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/metrics"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/status"
)

const (
	// stopping is how long a generation may take to end; 5 s is promised.
	stopping = 4500 * time.Millisecond
	// retiring bounds the removal of logins that are no longer configured, so that
	// a file that cannot be written holds up nothing.
	retiring = 2500 * time.Millisecond
)

// Options are what the surrounding program provides.
type Options struct {
	Version   string           // for the status
	Logger    *zap.Logger      // nil for none
	Observers []renew.Observer // hear every event, besides the daemon's own status
	// Tokens are those of the former process, by config.Grant.Key.
	Tokens map[string]login.Token
	// Keep hands all tokens to the next process; nil for no such way. It is called
	// by one goroutine, whenever they have changed.
	Keep func(map[string]login.Token) error
	// Placed is the file that says which logins lie where, see package placed; empty for none.
	Placed string
	// Kinds are those of the targets in that file.
	Kinds config.Kinds
	// Socket is one that the service manager listens at for us; nil for one that is
	// made as configured.
	Socket net.Listener
	// Manager is told how the service stands; nil for none.
	Manager Manager
}

// Daemon keeps the logins of one configuration. Its methods are safe for
// concurrent use; Run and Once are called once, and not both.
type Daemon struct {
	Options
	started   time.Time
	clients   *ecr.Clients
	directory *peerauth.Directory
	metrics   *metrics.Metrics
	changes   changes
	news      news
	reloads   chan reload
	placed    notes

	notices struct {
		sync.Mutex
		notices
	}

	mu      sync.Mutex
	current *generation
	refused *status.Problem // of a configuration read since current, which is not in force
	socket  status.Socket
	http    *status.HTTP
}

// reload is a generation to switch to; done is closed when that has happened.
type reload struct {
	next *generation
	done chan struct{}
}

// New checks c beyond its syntax and builds everything. It touches no file,
// socket or goroutine.
func New(c *config.Config, o Options) (*Daemon, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	d := &Daemon{Options: o, started: time.Now(), clients: ecr.NewClients(), directory: peerauth.NewDirectory(),
		changes: make(changes, 1), news: make(news, 1), reloads: make(chan reload)}
	d.metrics = metrics.New(d.Status)
	d.Observers = append(slices.Clone(o.Observers), d.metrics, d.changes, d.news)
	g, err := d.build(c)
	if err != nil {
		return nil, err
	}
	g.inherit(o.Tokens)
	d.current = g
	return d, nil
}

// Run keeps the logins right until ctx ends. An error means that something did
// not stop in time.
func (d *Daemon) Run(ctx context.Context) error {
	said := make(map[string]bool) // a fault that stays is logged once
	clearFormer := func() (done bool) {
		err := d.ClearFormer(ctx)
		still := make(map[string]bool)
		for _, f := range fault.All(err) {
			if still[f.Error()] = true; !said[f.Error()] && ctx.Err() == nil {
				d.warnOf("login of a former process not removed", f)
			}
		}
		said = still
		return err == nil
	}
	cleared := clearFormer()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { d.serve(ctx) })
	beside.Go(func() { d.serveWeb(ctx) })
	beside.Go(func() { d.report(ctx) })
	// The last token is handed over too, so this ends after the renewers.
	keeping, enough := context.WithCancel(context.WithoutCancel(ctx))
	defer enough()
	beside.Go(func() { d.keep(keeping, cleared, clearFormer) })
	g := d.generation()
	stop, done := g.start(ctx)
	for {
		select {
		case <-ctx.Done():
			stop()
			return ended(done)
		case r := <-d.reloads:
			stop()
			if err := ended(done); err != nil {
				d.Logger.Warn("former configuration is slow to end", zap.Error(err))
			}
			r.next.adopt(g)
			stop, done = r.next.start(ctx)
			r.next.announced(ctx)
			r.next.board.Inherit(g.board, r.next.sameTarget(g))
			d.replace(r.next)
			former, next := g, r.next
			beside.Go(func() { d.retire(ctx, former, next) })
			g = r.next
			close(r.done)
		}
	}
}

// retire takes away what next no longer keeps, and says what is left.
func (d *Daemon) retire(ctx context.Context, old, next *generation) {
	ctx, cancel := context.WithTimeout(ctx, retiring)
	defer cancel()
	for _, f := range old.retire(ctx, next) {
		d.warnOf("login of a former registry not removed", f)
	}
}

func (d *Daemon) warnOf(message string, f *fault.Error) {
	d.Logger.Warn(message, zap.Strings("host", f.Hosts),
		zap.String("reason", string(f.Reason)), zap.String("hint", f.Hint), zap.String("error", f.Error()))
}

func ended(done <-chan struct{}) error {
	timer := time.NewTimer(stopping)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return errors.New("a target or AWS call did not end within " + stopping.String())
	}
}

// Reload builds everything that c asks for and then puts it in the place of
// what runs, tokens included. On an error nothing changes. It returns when
// the switch is done, for which Run must be running, or when ctx ends.
func (d *Daemon) Reload(ctx context.Context, c *config.Config) error {
	next, err := d.build(c)
	if err != nil {
		return err
	}
	r := reload{next, make(chan struct{})}
	select {
	case d.reloads <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wake asks for a renewal of everything, now. It never blocks.
func (d *Daemon) Wake() {
	for _, r := range d.generation().renewers {
		r.Wake()
	}
}

// Once renews and stores everything once, all grants at the same time, and
// returns what failed.
func (d *Daemon) Once(ctx context.Context) error {
	renewers := d.generation().renewers
	errs := make([]error, len(renewers))
	var wg sync.WaitGroup
	for i, r := range renewers {
		wg.Go(func() { errs[i] = r.Once(ctx) })
	}
	wg.Wait()
	if err := d.note(); err != nil {
		d.noteFailed(err)
	}
	return errors.Join(errs...)
}

// Registries tells how every registry stands now.
func (d *Daemon) Registries() []status.Registry {
	return d.generation().board.Registries(time.Now())
}

// Target tells people what is behind a target's name: the engine, the file.
func (d *Daemon) Target(name string) string {
	return d.generation().targets[name].String()
}

// Warning says what a person should do about the place of a target; empty for
// nothing. It may read files.
func (d *Daemon) Warning(ctx context.Context, name string) string {
	if w, ok := d.generation().targets[name].(renew.Warner); ok {
		return w.Warning(ctx)
	}
	return ""
}

// Warnings say what is wrong with this process's environment. No value is in them.
func (d *Daemon) Warnings() (all []string) {
	for _, name := range ecr.UnusableProxies() {
		all = append(all, name+" is not the URL of a proxy: set it to http://HOST:PORT, or unset it")
	}
	return all
}

// Probe asks a target whether clients get in by it with these logins, where it can tell:
// see renew.Prober. It changes nothing.
func (d *Daemon) Probe(ctx context.Context, name string, logins []login.Login) error {
	if p, ok := d.generation().targets[name].(renew.Prober); ok {
		return p.Probe(ctx, logins)
	}
	return nil
}

func (d *Daemon) generation() *generation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

func (d *Daemon) replace(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.current.replaced)
	d.current, d.refused = g, nil
}
