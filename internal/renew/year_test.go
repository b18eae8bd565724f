package renew

import (
	"flag"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
)

var (
	yearSeed   = flag.Uint64("year.seed", 1, "the faults of the simulated year")
	yearGrants = flag.Int("year.grants", 80, "how many grants live it")
	yearDays   = flag.Int("year.days", 60, "how many days of it they live")
)

// perHost is how many grants a simulated host has: two identities in five regions.
const perHost = 10

// A host lives through as many days as are asked for, in simulated time, with faults drawn from
// the seed. What must hold whatever happens is in checkHost; what a year costs is compared
// with a month without faults. A failure names the seed and the host:
//
//	go test ./internal/renew -run Year -year.seed 1 -year.grants 1000 -year.days 365 -v
//
// has the same faults again. The jitter of the renewals is drawn again, as is the order of what happens in
// the same instant.
func TestAYearWithFaults(t *testing.T) {
	grants, days := *yearGrants, *yearDays
	if testing.Short() {
		grants, days = min(grants, 10), min(days, 30)
	}
	calm := liveHost(t, newWorld(rand.New(rand.NewPCG(*yearSeed, 0)), 30, 0), min(grants, 10))
	calm.check(t, "without faults")
	perGrantAndDay := float64(calm.calls) / float64(calm.grants*calm.days)

	hosts := (grants + perHost - 1) / perHost
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var total outcomes
	for i := range hosts {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			h := liveHost(t, newWorld(rand.New(rand.NewPCG(*yearSeed, uint64(i)+1)), days, 1), min(perHost, grants-i*perHost))
			mu.Lock()
			defer mu.Unlock()
			h.check(t, "seed %d, host %d of %d", *yearSeed, i+1, hosts)
			total.add(h.outcomes)
		})
	}
	wg.Wait()
	times := float64(total.calls) / (perGrantAndDay * float64(grants*days))
	t.Logf("figure: seed %d: %d grants on %d hosts, %d days: %d calls, %.3f times those without faults; %d failed; at most %d a second and %d a minute in a region from one host; "+
		"%d gaps, each of them unavoidable; %d reloads, %d restarts, %d days asleep", *yearSeed, grants, hosts, days,
		total.calls, times, total.failed, total.aSecond, total.aMinute, total.gaps, total.reloaded, total.restarted, int(math.Round(total.slept.Hours()/24)))
	// Each grant finds out for itself that an outage is over, which costs calls; up to
	// half as many again are no burden for AWS.
	if times > 1.5 && hosts > 4 { // few hosts may have more than their share of faults
		t.Errorf("seed %d: %.3f times the calls of the same time without faults, want at most 1.5", *yearSeed, times)
	}
}

// outcomes are what a host's life has cost.
type outcomes struct {
	calls, failed, gaps int
	aSecond, aMinute    int // most calls in a region
	reloaded, restarted int
	slept               time.Duration
}

func (o *outcomes) add(p outcomes) {
	o.calls += p.calls
	o.failed += p.failed
	o.gaps += p.gaps
	o.aSecond, o.aMinute = max(o.aSecond, p.aSecond), max(o.aMinute, p.aMinute)
	o.reloaded += p.reloaded
	o.restarted += p.restarted
	o.slept += p.slept
}

// ECR allows an account 20 calls a second in a region, and bursts of 200.
const (
	quota = 20
	burst = 200
)

// check is what must hold at the end of any life.
func (h *host) check(t *testing.T, format string, args ...any) {
	t.Helper()
	failures := 0
	failf := func(problem string, more ...any) {
		t.Helper()
		if failures++; failures > 4 {
			t.Fail()
			return // what is wrong for one grant is wrong for many
		}
		t.Errorf(format+": "+problem, append(args, more...)...)
	}
	h.aSecond, h.aMinute = h.busiest(time.Second), h.busiest(time.Minute)
	if h.aSecond > burst/10 || h.aMinute > 60*quota/10 {
		failf("%d calls in a second and %d in a minute in one region: more than a tenth of the quota", h.aSecond, h.aMinute)
	}
	for name, at := range h.tooSoon {
		failf("%s: two attempts within %v at %v", name, floor, at)
	}
	for reason, n := range h.refused {
		if named := h.observer.reasons[reason]; named != n {
			failf("%d attempts failed by %s, %d were named so", n, reason, named)
		}
	}
	for _, p := range h.places {
		if p.since.IsZero() {
			failf("%s never held a login", p.name)
		}
		for _, gap := range p.gaps {
			h.gaps++
			if h.avoidable(p, gap) {
				failf("%s was without a valid login from %v for %v; %s", p.name, gap.from, gap.to.Sub(gap.from), h.around(gap.to))
			}
		}
		for _, kept := range p.expired {
			if h.removable(p, kept) {
				failf("%s held an expired login from %v for %v; %s", p.name, kept.from, kept.to.Sub(kept.from), h.around(kept.to))
			}
		}
	}
}

// counter is an Observer that counts failures by what they are about.
type counter struct {
	mu      sync.Mutex
	reasons map[fault.Reason]int
}

func (c *counter) Observe(e Event) {
	if e.Err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons = make(map[fault.Reason]int)
	}
	for _, f := range fault.All(e.Err) {
		c.reasons[f.Reason]++
	}
}
