package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/page"
	"ecr-refreshd/internal/status"
	"ecr-refreshd/internal/web"
)

// watching are the handlers for those who watch this process, on the socket and at http.listen.
func (d *Daemon) watching() map[string]http.Handler {
	return map[string]http.Handler{"/healthz": web.Health(d.stuck), "/readyz": web.Ready(d.Status), "/metrics": d.metrics.Handler()}
}

// WriteGauges writes for node_exporter's textfile collector how everything stands.
func (d *Daemon) WriteGauges(w io.Writer) error { return d.metrics.WriteGauges(w) }

// stuck lists the loops that do not turn.
func (d *Daemon) stuck() (loops []string) {
	for _, r := range d.generation().renewers {
		of := fmt.Sprintf("of region %q, identity %q", r.Grant.Region, r.Grant.Identity)
		if r.Stuck() {
			loops = append(loops, "renewal loop "+of+" does not turn")
		}
		for _, name := range r.StuckTargets() {
			loops = append(loops, fmt.Sprintf("target %q %s does not return", name, of))
		}
	}
	return loops
}

// front is a server at http.listen.
type front struct {
	address string
	stop    context.CancelFunc
	ended   chan error
}

// serveWeb answers at http.listen until ctx ends. After a reload that moves it, the former
// address is left when the next one is bound; one that cannot be bound is tried again, as the
// socket is: renewal does not depend on it.
func (d *Daemon) serveWeb(ctx context.Context) {
	options := web.Options{Handlers: d.watching(), Page: page.New(d.Status), Logger: d.Logger}
	var at *front // what answers now; nil for nothing
	defer func() { at.end() }()
	var said string
	for ctx.Err() == nil {
		g := d.generation()
		want := g.config.HTTP.Listen
		var err error
		if at == nil || at.address != want {
			at, err = d.move(ctx, at, want, options)
		}
		said = d.noteWeb(at, err, said)
		var again <-chan time.Time
		if err != nil {
			again = time.After(relisten)
		}
		var ended chan error
		if at != nil {
			ended = at.ended
		}
		select {
		case <-ctx.Done():
		case <-g.replaced:
		case <-again:
		case err := <-ended:
			d.Logger.Warn("metrics and the page have ended, starting them again", zap.Error(err))
			at = nil
		}
	}
}

// move binds address and ends the server at the address before, which stays on an error. Empty
// is no address.
func (d *Daemon) move(ctx context.Context, before *front, address string, o web.Options) (*front, error) {
	if address == "" {
		before.end()
		return nil, nil
	}
	l, err := web.Listen(ctx, address)
	if err != nil && web.InUse(err) && before != nil && samePort(before.address, address) {
		// It may be the server before that is in the way, as when 0.0.0.0 follows 127.0.0.1.
		before.end()
		if l, err = web.Listen(ctx, address); err != nil {
			former := before.address
			if before = nil; ctx.Err() == nil {
				if l, err := web.Listen(ctx, former); err == nil {
					before = d.answerWeb(ctx, l, former, o)
				}
			}
			return before, err
		}
		before = nil
	}
	if err != nil {
		return before, err
	}
	before.end()
	return d.answerWeb(ctx, l, address, o), nil
}

func samePort(a, b string) bool {
	_, p, _ := net.SplitHostPort(a)
	_, q, _ := net.SplitHostPort(b)
	return p == q
}

// answerWeb serves l until the front is ended or ctx ends.
func (d *Daemon) answerWeb(ctx context.Context, l *web.Listener, address string, o web.Options) *front {
	life, stop := context.WithCancel(ctx)
	f := &front{address, stop, make(chan error, 1)}
	go func() { f.ended <- web.Serve(life, l, o) }()
	return f
}

// end ends the server and waits for it; nil is none.
func (f *front) end() {
	if f != nil {
		f.stop()
		<-f.ended
	}
}

// noteWeb notes and logs where metrics and the page are, or why they are not where they should
// be, unless that is what was said last.
func (d *Daemon) noteWeb(at *front, err error, said string) (saying string) {
	var now *status.HTTP // nil for none wanted
	if at != nil {
		now = &status.HTTP{Listen: at.address}
		saying = "at " + at.address
	}
	var f *fault.Error
	if err != nil {
		f = fault.All(err)[0]
		saying += f.Error()
	}
	if saying == said {
		return said
	}
	switch {
	case f != nil:
		if now == nil {
			now = new(status.HTTP)
		}
		now.Error = &status.Problem{Reason: f.Reason, Message: f.Error(), Hint: f.Hint, At: time.Now()}
		d.Logger.Error("metrics and the page do not listen", zap.String("reason", string(f.Reason)), zap.String("hint", f.Hint), zap.String("error", f.Error()))
	case at != nil:
		d.Logger.Info("metrics and the page listen", zap.String("address", at.address))
	}
	d.mu.Lock()
	d.http = now
	d.mu.Unlock()
	d.news.tell()
	return saying
}
