package doctor

import (
	"context"
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

// probing bounds what one target is waited for.
const probing = 4 * time.Second

// targets asks each target of the configuration whether it would let a client in.
func (w *walk) targets(ctx context.Context) (checks []Check) {
	if w.config == nil {
		return nil
	}
	results := make([][]Check, len(w.config.Targets))
	var all []func()
	for i, t := range w.config.Targets {
		all = append(all, func() { results[i] = w.probe(ctx, t.Name) })
	}
	together(all...)
	for _, r := range results {
		checks = append(checks, r...)
	}
	return checks
}

func (w *walk) probe(ctx context.Context, target string) (checks []Check) {
	ctx, cancel := context.WithTimeout(ctx, probing)
	defer cancel()
	if warning := w.work.Warning(ctx, target); warning != "" {
		checks = append(checks, Check{Stop: "target", On: target, Mark: Note, Text: warning})
	}
	logins := w.logins(target)
	if len(logins) == 0 {
		return append(checks, Check{Stop: "target", On: target, Mark: Left, Text: w.work.Target(target) + ": there is no login to try"})
	}
	err := w.work.Probe(ctx, target, logins)
	what := w.work.Target(target)
	if err == nil {
		return append(w.stored(target), append(checks, Check{Stop: "target", On: target, Mark: OK, Text: what})...)
	}
	for _, e := range fault.All(err) {
		c := Check{Stop: "target", On: target, Mark: Fault, Text: e.Error(), Cure: e.Hint}
		if e.Reason == fault.Engine && w.System.stopped(ctx, "docker.service") {
			c.Cure, c.Command = "docker.service is installed and does not run", asRoot("systemctl start docker")
		}
		checks = append(checks, c)
	}
	return checks
}

// stored is what the daemon says of a target that is in order as seen from here.
func (w *walk) stored(target string) (checks []Check) {
	if w.report == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, r := range w.report.Registries {
		for _, t := range r.Targets {
			if t.Name == target && t.State == status.Failed && t.Error != nil && w.wanted(r.Host) && !seen[t.Error.Message] {
				seen[t.Error.Message] = true
				checks = append(checks, problem("target", target, *t.Error))
			}
		}
	}
	return checks
}

// together runs all at once and waits for all.
func together(all ...func()) {
	var wg sync.WaitGroup
	for _, f := range all {
		wg.Go(f)
	}
	wg.Wait()
}
