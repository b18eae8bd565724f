package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/testbed"
)

// pull is one pull by the real command line.
type pull struct {
	ref        string
	start, end time.Time
	out        string
	failed     bool
	idle       bool // it was good, but the engine had the layer
}

// pull removes the image, which is of one layer, and pulls it.
func (s *scene) pull(as testbed.Account, engine *testbed.Engine, ref string) pull {
	s.t.Helper()
	p := pull{ref: ref, start: time.Now()}
	s.run(as, s.engineEnv(engine), "", s.docker, "image", "rm", ref) // it may not be there
	out, code := s.run(as, s.engineEnv(engine), "", s.docker, "pull", ref)
	p.end, p.out, p.failed = time.Now(), out, code != 0
	p.idle = !p.failed && !strings.Contains(out, "Pull complete")
	return p
}

// pulls pulls the images one after the other, over and over, until stop is
// called, which gives all pulls.
func (s *scene) pulls(as testbed.Account, engine *testbed.Engine, refs ...string) (stop func() []pull) {
	quit := make(chan struct{})
	var all []pull
	var loop sync.WaitGroup
	loop.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			default:
			}
			all = append(all, s.pull(as, engine, refs[i%len(refs)]))
		}
	})
	halt := sync.OnceFunc(func() { close(quit); loop.Wait() })
	s.t.Cleanup(halt) // also where the test ends early
	return func() []pull { halt(); return all }
}

// shownFailures keeps a report readable when all pulls fail.
const shownFailures = 3

// noneFailed checks that all pulls were good and real, but for those that excused
// accounts for, as when the engine is killed. After that, it may have the layer
// of a pull that failed.
func (s *scene) noneFailed(all []pull, excused func(pull) bool) {
	s.t.Helper()
	if len(all) == 0 {
		s.t.Error("nothing was pulled")
	}
	failed, away, outlived, idle, slowest := 0, 0, 0, 0, time.Duration(0)
	for _, p := range all {
		slowest = max(slowest, p.end.Sub(p.start))
		switch {
		case p.idle && excused != nil:
			idle++
		case !p.failed && !p.idle:
		case excused != nil && excused(p):
			away++
		case p.failed && p.end.Sub(p.start) > s.life*2/5:
			// A client gets a token that lives on for half its life or a little
			// less, and ECR, too, refuses the rest of a pull that takes longer.
			outlived++
		default:
			if failed++; failed > shownFailures {
				continue
			}
			s.t.Errorf("pull of %s at %s after %s: %s", p.ref, p.start.Format(time.StampMilli), p.end.Sub(p.start), p.out)
		}
	}
	s.t.Logf("figure: %d pulls, %d failed without a cause, %d with one, %d that took longer than a token, %d had nothing to do; the slowest took %s",
		len(all), failed, away, outlived, idle, slowest.Round(time.Millisecond))
	if 10*(idle+outlived) > len(all) {
		s.t.Errorf("too many pulls say nothing")
	}
}

// trial says how long a pull takes on this machine when two more are going on.
func (m *machine) trial(ctx context.Context) (time.Duration, error) {
	aws, err := m.bed.StartAWS(cloudContinuity.addr, cloudContinuity.options())
	if err != nil {
		return 0, err
	}
	defer aws.Close()
	refs := []string{publicHost + "/trial/a:latest", publicHost + "/trial/b:latest", publicHost + "/trial/c:latest"}
	for _, ref := range refs {
		if err := m.bed.PushImage(ctx, aws, cloudContinuity.profile(), ref); err != nil {
			return 0, err
		}
	}
	errs := make([]error, len(refs))
	var all sync.WaitGroup
	start := time.Now()
	for i, ref := range refs {
		all.Go(func() {
			cmd := m.bed.Command(ctx, m.bed.Root(), []string{"DOCKER_HOST=" + m.engine.Host()}, m.docker, "pull", ref)
			if out, err := cmd.CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("pull %q: %w\n%s", ref, err, out)
			}
		})
	}
	all.Wait()
	return time.Since(start), errors.Join(errs...)
}
