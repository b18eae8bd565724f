package daemon

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
)

const (
	// readyPatience is when the service counts as started although its first round
	// is not over: an AWS that does not answer must not hold up a host's start.
	readyPatience = time.Minute
	// calm is how long events are collected before the service manager hears of
	// them: a round makes hundreds.
	calm = 200 * time.Millisecond
)

// Manager is the service manager that has started this process.
type Manager interface {
	// Notify sends a notice of sd_notify(3).
	Notify(state string, files ...*os.File) error
	// Watchdog is how often it wants to hear that all is well; zero for never.
	Watchdog() time.Duration
}

// news is an Observer that tells that something has happened.
type news chan struct{}

func (n news) Observe(renew.Event) { n.tell() }

func (n news) tell() {
	select {
	case n <- struct{}{}:
	default:
	}
}

// report tells the service manager when the first round is over, how things
// stand, and that the loops turn, until ctx ends.
func (d *Daemon) report(ctx context.Context) {
	if d.Manager == nil {
		return
	}
	var settling sync.WaitGroup
	defer settling.Wait()
	ready := make(chan struct{})
	settling.Go(func() { defer close(ready); d.settle(ctx) })
	var beat <-chan time.Time
	if often := d.Manager.Watchdog(); often > 0 {
		ticker := time.NewTicker(often / 3)
		defer ticker.Stop()
		beat = ticker.C
	}
	var said string
	for {
		select {
		case <-ctx.Done():
			d.notify("STOPPING=1")
			return
		case <-ready:
			ready = nil
			d.tell(func(n *notices) { n.ready = true })
		case <-beat:
			if d.alive() {
				d.notify("WATCHDOG=1")
			}
		case <-d.news:
			select {
			case <-ctx.Done():
			case <-time.After(calm):
			}
			if s := d.Status().Summary(); s != said {
				said = s
				d.tell(func(n *notices) { n.status = s })
			}
		}
	}
}

// notices are what the service manager is told of the state of the service. While
// the configuration is read again it would misunderstand them, so they wait.
type notices struct {
	ready, reloading bool
	status           string
}

// tell changes the notices and sends them.
func (d *Daemon) tell(change func(*notices)) {
	d.notices.Lock()
	defer d.notices.Unlock()
	n := &d.notices.notices
	change(n)
	switch {
	case n.reloading:
	case n.ready:
		d.notify("READY=1\nSTATUS=" + n.status)
	default:
		d.notify("STATUS=" + n.status)
	}
}

// settle waits until every grant has been tried once and its targets have dealt
// with what came of it, or for readyPatience.
func (d *Daemon) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	for {
		g := d.generation()
		var wg sync.WaitGroup
		for _, r := range g.renewers {
			wg.Go(func() {
				_, _ = r.Until(ctx, func(s renew.State) bool { return s.Ended > 0 && s.AllTried }) // looked at below
			})
		}
		wg.Wait()
		if ctx.Err() != nil || g == d.generation() {
			return
		}
	}
}

// alive reports whether the loop of every grant turns.
func (d *Daemon) alive() bool {
	for _, r := range d.generation().renewers {
		if r.Stuck() {
			d.Logger.Error("renewal loop is stuck, the service manager's watchdog will end this process",
				zap.String("region", r.Grant.Region), zap.String("identity", r.Grant.Identity), zap.String("reason", string(fault.Local)),
				zap.String("error", "renew the token: a call to AWS or to a target has not returned within its time limit"),
				zap.String("hint", "nothing to do if it happens once; if it comes again, please report it with the lines before and the stack traces after"))
			return false
		}
	}
	return true
}

// Reloading tells the service manager that the configuration is being read again;
// call done when that is over, well or not. Before the service is ready there is
// nothing to tell.
func (d *Daemon) Reloading() (done func()) {
	if d.Manager == nil {
		return func() {}
	}
	d.tell(func(n *notices) {
		if n.reloading = n.ready; !n.reloading {
			return
		}
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // there is always such a clock
		d.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	})
	return func() {
		d.tell(func(n *notices) { n.reloading, n.status = false, d.Status().Summary() })
	}
}

// notify sends a notice. One that is lost is not worth more than a line for
// those who look: the manager has its own ways to find out.
func (d *Daemon) notify(state string) {
	if err := d.Manager.Notify(state); err != nil {
		d.Logger.Debug("service manager not told", zap.String("state", state), zap.Error(err))
	}
}
