package dockerconfig

import (
	"context"
	"slices"

	"ecr-refreshd/internal/fault"
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
)

// NewHelper checks the options and builds the helper's target. It touches no file.
func NewHelper(o Options) (*Helper, error) {
	p, err := newPlace(o)
	if err != nil {
		return nil, err
	}
	return &Helper{p}, nil
}

const (
	opPoint   = "set up the credential helper"
	opUnpoint = "undo the credential helper"
)

// Store makes docker ask our helper for the hosts of the logins. Its error is a
// *fault.Error, or a fault.List.
func (h *Helper) Store(ctx context.Context, logins []login.Login) error {
	_, err := perform(ctx, h.place, opPoint, func(ctx context.Context, w site) (Report, error) {
		h.ask(logins)
		return w.point(ctx, hostsOf(logins))
	})
	return err
}

// Stale reports whether docker does not ask our helper for one of the hosts, under
// the conditions and at the cost of Target.Stale.
func (h *Helper) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	return h.undone(ctx, logins, (*look).helps)
}

// Release takes the entries of the logins' hosts back to what was there before. One
// that somebody else has changed since stays. Its error is a *fault.Error.
func (h *Helper) Release(ctx context.Context, logins []login.Login) error {
	_, err := perform(ctx, h.place, opUnpoint, func(ctx context.Context, w site) (Report, error) {
		return w.unpoint(ctx, setOf(hostsOf(logins)))
	})
	return err
}

// Configure does for the hosts what Store does, and reports it. Entries of other hosts
// stay. Its error is a *fault.Error, or a fault.List; then the report tells what
// was done all the same.
func (h *Helper) Configure(ctx context.Context, hosts []string) (Report, error) {
	return perform(ctx, h.place, opPoint, func(ctx context.Context, w site) (Report, error) {
		return w.point(ctx, hosts)
	})
}

// Forget is Undo: which hosts are ours, the entries say themselves.
func (h *Helper) Forget(ctx context.Context, _ func(host string) bool) error {
	_, err := h.Undo(ctx)
	return err
}

// Undo takes all entries that name our helper back to what was there before, and
// reports it. Its error is a *fault.Error.
func (h *Helper) Undo(ctx context.Context) (Report, error) {
	return perform(ctx, h.place, opUnpoint, func(ctx context.Context, w site) (Report, error) {
		return w.unpoint(ctx, nil)
	})
}

// point makes docker ask our helper for the hosts.
func (w site) point(ctx context.Context, hosts []string) (Report, error) {
	done := make(map[string]HostReport, len(hosts))
	var verdict fault.List
	err := w.visit(ctx, true, func(s *session) (err error) {
		doc, err := s.update(ctx, func(d *document) (bool, error) {
			helped, err := d.helped()
			missing := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return helped[h] })
			if err != nil || len(missing) == 0 {
				return false, err
			}
			was, err := s.remember(ctx, func(was record) record { return d.overrule(missing, was) })
			if err != nil {
				return false, err
			}
			for host, o := range d.overruled(missing, was) {
				done[host] = HostReport{Host: host, Action: Added, Overrules: o}
			}
			return true, d.point(missing)
		})
		if err != nil {
			clear(done) // it was only about to be done
		}
		if err == nil {
			verdict = refused(w.path, doc.view(w.path, s.share), hosts, asked)
		}
		if err != nil || len(done) == len(hosts) {
			return err
		}
		// A record that cannot be read is reported when it is needed.
		was, _ := s.remember(ctx, func(was record) record { return was })
		for host, o := range doc.overruled(hosts, was) {
			if _, added := done[host]; !added {
				done[host] = HostReport{Host: host, Action: Present, Overrules: o}
			}
		}
		return nil
	})
	report := newReport(w.path, done)
	if err != nil {
		return report, w.fault(opPoint, err)
	}
	return report, verdict.Err()
}

// unpoint takes our entries back, those of the hosts given or, for nil, all.
func (w site) unpoint(ctx context.Context, hosts map[string]bool) (Report, error) {
	done := map[string]HostReport{}
	err := w.visit(ctx, false, func(s *session) error {
		left := 0 // entries of ours that are to stay
		_, err := s.update(ctx, func(d *document) (bool, error) {
			own, err := d.own()
			asked := slices.DeleteFunc(slices.Clone(own), func(h string) bool { return hosts != nil && !hosts[h] })
			left = len(own) - len(asked)
			if err != nil || len(asked) == 0 {
				return false, err
			}
			was, err := s.remember(ctx, func(was record) record { return was })
			if err != nil {
				return false, err
			}
			for _, host := range asked {
				done[host] = HostReport{Host: host, Action: Removed}
				if helper, there := was[host]; there {
					done[host] = HostReport{Host: host, Action: Restored, Helper: excerpt(helper)}
				}
			}
			return true, d.unpoint(asked, was)
		})
		if err != nil {
			clear(done) // it was only about to be done
			return err
		}
		_, err = s.remember(ctx, func(was record) record {
			if left == 0 {
				return nil
			}
			for h := range hosts {
				delete(was, h)
			}
			return was
		})
		return err
	})
	report := newReport(w.path, done)
	if err != nil {
		return report, w.fault(opUnpoint, err)
	}
	return report, nil
}
