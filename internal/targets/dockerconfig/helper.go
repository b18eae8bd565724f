package dockerconfig

import (
	"context"
	"fmt"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// Helper keeps a config.json in which docker is told to ask our credential helper for
// some hosts. It writes no token. An entry stays when a token expires, since the
// helper then says why; so this is no renew.Remover. It is safe for concurrent use;
// calls take turns.
type Helper struct{ *place }

var (
	_ renew.Target   = (*Helper)(nil)
	_ renew.Watcher  = (*Helper)(nil)
	_ renew.Releaser = (*Helper)(nil)
	_ renew.Warner   = (*Helper)(nil)
)

// NewHelper checks the options and builds the helper's target. It touches no file.
func NewHelper(o Options) (*Helper, error) {
	p, err := newPlace(o)
	if err != nil {
		return nil, err
	}
	return &Helper{p}, nil
}

// Store makes docker ask our helper for the hosts of the logins. Its error is a
// *fault.Error, or a fault.List.
func (h *Helper) Store(ctx context.Context, logins []login.Login) error {
	_, err := h.Configure(ctx, hostsOf(logins))
	return err
}

// Configure does for the hosts what Store does, and reports it. Entries of other hosts
// stay. Its error is a *fault.Error, or a fault.List; then the report tells what
// was done all the same.
func (h *Helper) Configure(ctx context.Context, hosts []string) (Report, error) {
	return h.change(ctx, "set up the credential helper", access{create: true}, func(ctx context.Context, s *session) error {
		h.ask(hosts)
		doc, err := s.update(ctx, func(d *document) (bool, error) {
			overruled, err := s.without(d, hosts)
			if err != nil {
				return false, err
			}
			helped, err := d.helped(s.view(d))
			if err != nil {
				return false, err
			}
			var missing []string
			s.done = make(map[string]HostReport, len(hosts))
			for _, host := range hosts {
				s.done[host] = HostReport{Host: host, Action: Present, Overrules: overruled[host]}
				if !helped[host] {
					missing = append(missing, host)
					s.done[host] = HostReport{Host: host, Action: Added, Overrules: overruled[host]}
				}
			}
			return len(missing) > 0, d.point(missing)
		})
		if err != nil {
			return err
		}
		s.verdict = s.judge(doc).verdict(hosts, asked)
		for _, host := range hosts {
			if r := s.done[host]; r.Action == Added && r.Overrules.Helper != "" {
				h.news = fmt.Sprintf("the credential helper %q was replaced in %s, for %s and perhaps others; it does not come back by itself when this target goes",
					r.Overrules.Helper, s.path, host)
			}
		}
		return nil
	})
}

// Stale reports whether docker does not ask our helper for one of the hosts, under
// the conditions and at the cost of Target.Stale.
func (h *Helper) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	return h.undone(ctx, logins, (*look).helps)
}

// Warning says, once, that Store has put our helper in the place of another.
func (h *Helper) Warning(ctx context.Context) string {
	text, _ := inTurn(ctx, h.place, "", func(context.Context) (string, error) { return h.takeNews(), nil })
	return text
}

// Release takes the entries of the logins' hosts away. One that somebody else has changed
// since stays. Its error is a *fault.Error.
func (h *Helper) Release(ctx context.Context, logins []login.Login) error {
	_, err := h.unpoint(ctx, setOf(hostsOf(logins)))
	return err
}

// Forget is Undo: which hosts are ours, the entries say themselves.
func (h *Helper) Forget(ctx context.Context, _ func(host string) bool) error {
	_, err := h.Undo(ctx)
	return err
}

// Undo takes all entries that name our helper away, and reports it. What they had replaced
// does not come back. Its error is a *fault.Error.
func (h *Helper) Undo(ctx context.Context) (Report, error) { return h.unpoint(ctx, nil) }

// unpoint takes away our entries of the hosts, nil for all.
func (h *Helper) unpoint(ctx context.Context, hosts map[string]bool) (Report, error) {
	return h.change(ctx, "undo the credential helper", access{}, func(ctx context.Context, s *session) error {
		_, err := s.update(ctx, func(d *document) (bool, error) {
			gone, err := d.unpoint(hosts)
			s.done = make(map[string]HostReport, len(gone))
			for _, host := range gone {
				s.done[host] = HostReport{Host: host, Action: Removed}
			}
			return len(gone) > 0, err
		})
		return err
	})
}
