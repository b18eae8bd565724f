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

// watching are the handlers for those who watch this process and may see report.
func (d *Daemon) watching(report func() status.Report) map[string]http.Handler {
	return map[string]http.Handler{"/healthz": web.Health(d.stuck), "/readyz": web.Ready(report), "/metrics": d.metrics.Handler()}
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

// site is where this process answers over TCP.
type site struct {
	options web.Options
	at      *front      // what answers now; nil for nothing
	tried   *generation // whose address was tried last
}

// serveWeb answers at http.listen until ctx ends. After a reload that moves it, the former
// address is left when the next one is bound; one that cannot be bound is tried again, as the
// socket is: renewal does not depend on it.
func (d *Daemon) serveWeb(ctx context.Context) {
	report := func() status.Report { return d.Status().WithoutOutput() } // whoever connects sees it
	s := &site{options: web.Options{Handlers: d.watching(report), Page: page.New(report), Logger: d.Logger}}
	defer func() { s.at.end() }()
	var said string
	for ctx.Err() == nil {
		g := d.generation()
		err := s.follow(ctx, g)
		for ctx.Err() == nil {
			said = d.noteWeb(s.at, err, said)
			var again <-chan time.Time
			if err != nil {
				again = time.After(relisten)
			}
			if err = s.wait(ctx, g.replaced, again); err == nil {
				break
			}
		}
	}
}

// wait returns nil when follow is to be called again: when ctx ends, at a reload, or when it is
// time to try again. It returns the error of a server that has ended by itself.
func (s *site) wait(ctx context.Context, replaced <-chan struct{}, again <-chan time.Time) error {
	var ended <-chan error
	if s.at != nil {
		ended = s.at.ended
	}
	select {
	case <-ctx.Done():
	case <-replaced:
	case <-again:
	case err := <-ended:
		s.at = nil
		if ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// follow binds the address that g wants and ends the server at the address before, which stays
// on an error.
func (s *site) follow(ctx context.Context, g *generation) error {
	address, first := g.config.HTTP.Listen, g != s.tried
	s.tried = g
	if s.at != nil && s.at.address == address {
		return nil
	}
	if address == "" {
		s.leave()
		return nil
	}
	l, err := web.Listen(ctx, address)
	if err != nil && web.InUse(err) && s.at != nil && samePort(s.at.address, address) {
		// It may be the server before that is in the way, as when 0.0.0.0 follows 127.0.0.1. It
		// is ended for this once for each reload: whoever is connected to it would pay for more.
		former := s.at.address
		if first {
			s.leave()
			l, err = web.Listen(ctx, address)
		}
		if err != nil {
			if s.at == nil && ctx.Err() == nil {
				if l, err := web.Listen(ctx, former); err == nil {
					s.answer(ctx, l, former)
				}
			}
			if s.at != nil {
				fault.All(err)[0].Hint += "; then reload ecr-refreshd: its own server at " + former + " is also in the way"
			}
		}
	}
	if err != nil {
		return err
	}
	s.leave()
	s.answer(ctx, l, address)
	return nil
}

func samePort(a, b string) bool {
	_, p, _ := net.SplitHostPort(a)
	_, q, _ := net.SplitHostPort(b)
	return p == q
}

// answer serves l until the front is ended or ctx ends.
func (s *site) answer(ctx context.Context, l *web.Listener, address string) {
	life, stop := context.WithCancel(ctx)
	f := &front{address, stop, make(chan error, 1)}
	go func() { f.ended <- web.Serve(life, l, s.options) }()
	s.at = f
}

// leave ends the server, where there is one.
func (s *site) leave() {
	s.at.end()
	s.at = nil
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
