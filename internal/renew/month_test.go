package renew

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const month = 30 * 24 * time.Hour

var regions = []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1"}

// window is a span of time during which something is wrong.
type window struct{ from, to time.Time }

type windows []window

func (ws windows) at(t time.Time) bool {
	for _, w := range ws {
		if !t.Before(w.from) && t.Before(w.to) {
			return true
		}
	}
	return false
}

// scatter lays n windows of the given length over the month.
func scatter(rng *rand.Rand, begin time.Time, n int, length time.Duration) windows {
	var ws windows
	for range n {
		from := begin.Add(time.Hour + time.Duration(rng.Int64N(int64(month-length-time.Hour))))
		ws = append(ws, window{from, from.Add(length)})
	}
	return ws
}

// world is what the grants of the simulation live in.
type world struct {
	mu       sync.Mutex
	rng      *rand.Rand
	outage   windows // AWS does not answer
	throttle windows // AWS answers two calls of three with a refusal
	disk     windows // the file cannot be written
	engine   windows // the engine is away
	steps    map[time.Duration]windows
	calls    int
}

func newWorld(faults bool) *world {
	w := &world{rng: rand.New(rand.NewPCG(1, 2))}
	if faults {
		begin := time.Now()
		w.outage = scatter(w.rng, begin, 2, 5*time.Hour)
		w.throttle = scatter(w.rng, begin, 4, 2*time.Hour)
		w.disk = scatter(w.rng, begin, 3, 4*time.Hour)
		w.engine = scatter(w.rng, begin, 20, 30*time.Minute)
		w.steps = map[time.Duration]windows{
			5 * time.Hour:   scatter(w.rng, begin, 2, 3*time.Hour),
			-7 * time.Hour:  scatter(w.rng, begin, 2, 10*time.Hour),
			-48 * time.Hour: scatter(w.rng, begin, 1, 30*time.Hour),
		}
	}
	return w
}

// wall is the host's clock, which jumps there and back.
func (w *world) wall() time.Time {
	now := time.Now()
	wall := now
	for step, ws := range w.steps {
		if ws.at(now) {
			wall = wall.Add(step)
		}
	}
	return wall
}

// Fetch is AWS: its clock is right, the host's need not be.
func (w *world) Fetch(ctx context.Context) (login.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	now := time.Now()
	switch {
	case w.outage.at(now):
		return login.Token{}, failing(fault.Network)
	case w.throttle.at(now) && w.rng.IntN(3) > 0:
		return login.Token{}, failing(fault.Throttled)
	}
	end := now.Add(documentedLife)
	return login.Token{Username: "AWS", Account: "111122223333", ObtainedAt: w.wall(), ExpiresAt: end,
		Secret: login.NewSecret(end.Format(time.RFC3339Nano))}, nil // a token tells its true end
}

// place is a target that knows whether what it holds is still good.
type place struct {
	*world
	name   string
	broken *windows
	reason fault.Reason

	mu      sync.Mutex
	goodTil time.Time // the true end of what it holds; zero while nothing
	since   time.Time // when it first held something
	gaps    []window  // spans without a valid login, after the first
}

func (p *place) Store(_ context.Context, logins []login.Login) error {
	if p.broken.at(time.Now()) {
		return failing(p.reason)
	}
	end, err := time.Parse(time.RFC3339Nano, logins[0].Secret.Reveal())
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account()
	p.goodTil = end
	return nil
}

func (p *place) Remove(_ context.Context, logins []login.Login) error {
	if p.broken.at(time.Now()) {
		return failing(p.reason)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account()
	p.goodTil = time.Now() // nothing from now on
	return nil
}

// account notes the gap, if any, that a change ends.
func (p *place) account() {
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	} else if now.After(p.goodTil) {
		p.gaps = append(p.gaps, window{p.goodTil, now})
	}
}

// avoidable reports whether in the six hours before the gap, or during it, AWS
// was well for long enough, and the place after it.
func (p *place) avoidable(gap window) bool {
	const enough = 20 * time.Minute
	var fetched bool
	var well time.Duration
	for t := gap.from.Add(-6 * time.Hour); t.Before(gap.to); t = t.Add(time.Minute) {
		ok := !p.outage.at(t) && !p.throttle.at(t)
		if fetched {
			ok = !p.broken.at(t)
		}
		if well += time.Minute; !ok {
			well = 0
		}
		if well >= enough {
			if fetched {
				return true
			}
			fetched, well = true, 0
		}
	}
	return false
}

// live runs identities x regions grants for a month and returns the calls and
// the places.
func live(t *testing.T, identities int, faults bool) (calls int, places []*place) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(faults)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, region := range regions {
			for i := range identities {
				host := fmt.Sprintf("%012d.dkr.ecr.%s.amazonaws.com", i, region)
				file := &place{world: w, name: "file of " + host, broken: &w.disk, reason: fault.Local}
				engine := &place{world: w, name: "engine for " + host, broken: &w.engine, reason: fault.Engine}
				places = append(places, file, engine)
				r := New(Config{Grant: Grant{Region: region, Identity: fmt.Sprint(i)}, Hosts: []string{host}, Source: w,
					Bindings: []Binding{{"file", file, []string{host}}, {"engine", engine, []string{host}}},
					Policy:   usual, Observer: new(counter), Wall: w.wall})
				wg.Go(func() { _ = r.Run(ctx) })
			}
		}
		time.Sleep(month)
		cancel()
		wg.Wait()
		for _, p := range places {
			p.account()
		}
		calls = w.calls
	})
	return calls, places
}

// counter is an Observer that only counts.
type counter struct {
	mu sync.Mutex
	n  map[Kind]int
}

func (c *counter) Observe(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[Kind]int)
	}
	c.n[e.Kind]++
}

func TestAMonthOfAHundredGrantsWithFaults(t *testing.T) {
	identities := 20
	if testing.Short() {
		identities = 2
	}
	var calm, stormy int
	var calmly, stormily []*place
	t.Run("at once", func(t *testing.T) {
		t.Run("calm", func(t *testing.T) {
			t.Parallel()
			calm, calmly = live(t, identities, false)
		})
		t.Run("stormy", func(t *testing.T) {
			t.Parallel()
			stormy, stormily = live(t, identities, true)
		})
	})
	for _, p := range calmly {
		if len(p.gaps) > 0 || p.since.IsZero() {
			t.Fatalf("without faults: %s has gaps: %v", p.name, p.gaps)
		}
	}
	gaps := 0
	for _, p := range stormily {
		if p.since.IsZero() {
			t.Fatalf("%s never held a login", p.name)
		}
		for _, gap := range p.gaps {
			gaps++
			if p.avoidable(gap) {
				t.Errorf("%s was without a valid login from %v for %v", p.name, gap.from, gap.to.Sub(gap.from))
			}
		}
	}
	t.Logf("calls: %d without faults, %d with (%.3f times); unavoidable gaps: %d", calm, stormy, float64(stormy)/float64(calm), gaps)
	// Each grant finds out for itself that an outage is over, which costs calls; up to
	// half as many again are no burden for AWS, which allows 20 in a second.
	if stormy*10 > calm*15 {
		t.Errorf("%d calls with faults, %d without: more than 1.5 times", stormy, calm)
	}
}
