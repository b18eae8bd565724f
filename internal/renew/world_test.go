package renew

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// window is a span of time.
type window struct{ from, to time.Time }

type windows []window

func (ws windows) at(t time.Time) bool {
	i, _ := slices.BinarySearchFunc(ws, t, func(w window, t time.Time) int { return w.to.Compare(t) })
	return slices.ContainsFunc(ws[i:min(i+2, len(ws))], func(w window) bool { return !t.Before(w.from) && t.Before(w.to) })
}

// trouble is what goes wrong in a world.
type trouble int

var names = [troubles]string{"AWS away", "throttling", "slow answers", "permission revoked", "short sessions",
	"disk full", "engine away", "file hangs", "engine hangs"}

const (
	outage     trouble = iota // AWS does not answer
	throttling                // AWS refuses two calls of three
	slow                      // AWS takes its time, and too long for one call in three
	revoked                   // the permission is gone until somebody gives it back
	sessions                  // tokens die with the hour's session that obtained them
	diskFull                  // files cannot be written
	engineGone
	fileHangs // a Store ends by its own limit
	engineHangs
	troubles
)

// often is how often a year has them, and how long they last at most.
var often = [troubles]struct {
	times   int
	longest time.Duration
}{
	outage: {24, 5 * time.Hour}, throttling: {48, 2 * time.Hour}, slow: {24, 6 * time.Hour}, revoked: {4, 12 * time.Hour},
	sessions: {4, 48 * time.Hour}, diskFull: {36, 4 * time.Hour}, engineGone: {240, 30 * time.Minute},
	fileHangs: {12, 8 * time.Hour}, engineHangs: {12, 8 * time.Hour},
}

// steps are how far off a host's clock is at times.
var steps = []time.Duration{24 * time.Hour, -24 * time.Hour, 5 * time.Hour, -7 * time.Hour, -48 * time.Hour}

const (
	stepsOfEach = 6 // in a year
	longestStep = 30 * time.Hour

	suspends       = 12 // in a year
	longestSuspend = 72 * time.Hour

	reloads, restarts = 120, 48 // in a year; half of the restarts keep the tokens
)

// world is what happens to a host and to the AWS that it calls. Its times are the true ones: those
// of the bubble, and what the host was suspended.
type world struct {
	begin    time.Time
	days     int
	wrong    [troubles]windows
	stepped  map[time.Duration]windows
	asleep   []nap
	down     windows         // no daemon runs
	reloads  []time.Duration // in the bubble's time, from the beginning
	restarts []time.Duration
}

// nap is a suspend: at this time of the bubble, which stands still meanwhile as monotonic clocks do.
type nap struct {
	at     time.Duration
	length time.Duration
}

// newWorld draws a world with share times as many faults as often has. It does not matter in which
// bubble it is used: begin is set there.
func newWorld(rng *rand.Rand, days int, share float64) *world {
	w := &world{days: days, stepped: map[time.Duration]windows{}}
	life := time.Duration(days) * 24 * time.Hour
	count := func(aYear int) int { return int(share*float64(aYear)*float64(days)/365 + 0.5) }
	moment := func() time.Duration { return time.Hour + time.Duration(rng.Int64N(int64(life-time.Hour))) }
	for range count(suspends) {
		w.asleep = append(w.asleep, nap{moment(), time.Duration(rng.Int64N(int64(longestSuspend)))})
	}
	slices.SortFunc(w.asleep, func(a, b nap) int { return cmp.Compare(a.at, b.at) })
	total := life
	for _, n := range w.asleep {
		total += n.length
	}
	scatter := func(n int, longest time.Duration) (ws windows) {
		for range n {
			length := longest/10 + time.Duration(rng.Int64N(int64(longest-longest/10)))
			from := time.Time{}.Add(time.Hour + time.Duration(rng.Int64N(int64(total-time.Hour))))
			ws = append(ws, window{from, from.Add(length)})
		}
		return ws.merged()
	}
	for i := range w.wrong {
		w.wrong[i] = scatter(count(often[i].times), often[i].longest)
	}
	var off windows
	for _, step := range steps {
		w.stepped[step] = scatter(count(stepsOfEach), longestStep)
		off = append(off, w.stepped[step]...)
	}
	// A session's end is told in AWS's time: with a clock that is off by a day, and is reported as
	// such, nobody can know when it is.
	w.wrong[sessions] = slices.DeleteFunc(w.wrong[sessions], func(s window) bool {
		return slices.ContainsFunc(off, func(o window) bool { return o.from.Before(s.to) && s.from.Before(o.to.Add(documentedLife)) })
	})
	for range count(reloads) {
		w.reloads = append(w.reloads, moment())
	}
	for range count(restarts) {
		w.restarts = append(w.restarts, moment())
	}
	return w
}

// merged are the windows in their order, those that overlap as one.
func (ws windows) merged() (all windows) {
	slices.SortFunc(ws, func(a, b window) int { return a.from.Compare(b.from) })
	for _, w := range ws {
		if last := len(all) - 1; last >= 0 && !w.from.After(all[last].to) {
			if w.to.After(all[last].to) {
				all[last].to = w.to
			}
			continue
		}
		all = append(all, w)
	}
	return all
}

// start puts the world at the bubble's present.
func (w *world) start() {
	w.begin = time.Now()
	move := func(ws windows) {
		for i := range ws {
			ws[i].from, ws[i].to = w.begin.Add(ws[i].from.Sub(time.Time{})), w.begin.Add(ws[i].to.Sub(time.Time{}))
		}
	}
	for _, ws := range w.wrong {
		move(ws)
	}
	naps := w.naps()
	for step, ws := range w.stepped {
		move(ws)
		// A clock that is set back while the host sleeps hides how long that was. What it costs is a
		// limit that is documented.
		w.stepped[step] = slices.DeleteFunc(ws, func(s window) bool {
			back := s.from
			if step > 0 {
				back = s.to
			}
			return naps.at(back)
		})
	}
}

// now is the true time.
func (w *world) now() time.Time {
	now := time.Now()
	at := now.Sub(w.begin)
	for _, n := range w.asleep {
		if n.at > at {
			break
		}
		now = now.Add(n.length)
	}
	return now
}

// wall is the host's clock, which is off at times.
func (w *world) wall() time.Time {
	now := w.now()
	wall := now
	for step, ws := range w.stepped {
		if ws.at(now) {
			wall = wall.Add(step)
		}
	}
	return wall
}

func (w *world) is(what trouble) bool { return w.wrong[what].at(w.now()) }

// naps are the suspends in true time.
func (w *world) naps() (ws windows) {
	from := w.begin
	for _, n := range w.asleep {
		ws = append(ws, window{from.Add(n.at), from.Add(n.at + n.length)})
		from = from.Add(n.length)
	}
	return ws
}

// around tells what was wrong in the hours before t.
func (h *host) around(t time.Time) string {
	var all []string
	tell := func(what string, ws windows) {
		for _, w := range ws {
			if w.to.After(t.Add(-documentedLife)) && !w.from.After(t) {
				all = append(all, fmt.Sprintf("%s from %v for %v", what, w.from, w.to.Sub(w.from)))
			}
		}
	}
	for i, ws := range h.wrong {
		tell(names[i], ws)
	}
	for step, ws := range h.stepped {
		tell(fmt.Sprintf("clock off by %v", step), ws)
	}
	tell("asleep", h.naps())
	tell("no daemon", h.down)
	return strings.Join(all, "; ")
}
