package renew

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

var (
	fleetHosts = flag.Int("fleet.hosts", 5000, "how many hosts boot within a minute")
	fleetPlots = flag.String("fleet.plots", "", "a `directory` to draw the plots into")
)

// A fleet of hosts of one account in one region boots within one minute, and then lives a week.
// ECR answers 20 calls a second, and 200 at once that were not made before; it refuses the others.
// What refreshd does about it is this package's Policy itself.
const (
	fleetBoot = time.Minute
	fleetWeek = 7 * 24 * time.Hour
	aDay      = 24 * time.Hour
)

// machine is one host of the fleet. Its times are those since the first boot.
type machine struct {
	at       time.Duration // of its next call
	had      bool          // a token, at some time
	end      time.Duration // of its token
	failures int           // in a row
	planned  time.Duration // of the last call that was no retry
	obtained time.Duration
}

// habit is how a program calls ECR: when it begins, and when it calls again after an answer.
type habit struct {
	name  string
	begin func(boot time.Duration) time.Duration
	again func(m *machine, now time.Duration) time.Duration
}

// sdkAttempts are the calls of AWS's command line and SDKs for one request, with back-off between
// them of up to 20 s.
const sdkAttempts = 3

func sdkRetry(m *machine, now time.Duration) (at time.Duration, again bool) {
	if m.failures == 0 || m.failures%sdkAttempts == 0 {
		return 0, false
	}
	return now + time.Duration(draw()*float64(min(20*time.Second, time.Second<<(m.failures%sdkAttempts)))), true
}

var habits = []habit{
	{"ecr-refreshd", func(boot time.Duration) time.Duration { return boot }, func(m *machine, now time.Duration) time.Duration {
		var epoch time.Time
		if m.failures == 0 {
			t := login.Token{ObtainedAt: epoch.Add(m.obtained), ExpiresAt: epoch.Add(m.end)}
			return usual.Due(t, draw()).Sub(epoch)
		}
		left := m.end - now
		return now + unhurried(usual.Delay(m.failures, fault.Throttled, left, draw()), left)
	}},
	{"cron, every 6 h", func(boot time.Duration) time.Duration { return onTheHour(boot) }, func(m *machine, now time.Duration) time.Duration {
		if at, again := sdkRetry(m, now); again {
			return at
		}
		return onTheHour(now)
	}},
	{"every 6 h since boot", func(boot time.Duration) time.Duration { return boot }, func(m *machine, now time.Duration) time.Duration {
		if at, again := sdkRetry(m, now); again {
			return at
		}
		return m.planned + 6*time.Hour
	}},
	// The ECS agent asks when a task needs the login, here every ten minutes, and the token ends within 30
	// minutes and up to 30 more.
	{"the ECS agent's rule", func(boot time.Duration) time.Duration { return boot }, func(m *machine, now time.Duration) time.Duration {
		if at, again := sdkRetry(m, now); again {
			return at
		}
		const task = 10 * time.Minute
		due := max(now, m.end-30*time.Minute-time.Duration(draw()*float64(30*time.Minute)))
		return m.planned + (due - m.planned).Truncate(task) + task
	}},
}

// onTheHour is when cron's next line begins to call, which takes the program up to three seconds.
func onTheHour(now time.Duration) time.Duration {
	return now.Truncate(6*time.Hour) + 6*time.Hour + time.Duration(draw()*3*float64(time.Second))
}

// course is how a fleet fared.
type course struct {
	first       []time.Duration // to the first token, of those that got one
	bootPeak    int             // calls in the busiest second of the first day
	steadyPeak  int             // of the last five
	expired     int             // hosts that were without a valid token after their first
	valid       []int           // hosts with a valid token, by minute of the first day
	calls       []int           // by minute of the first day
	made, turns int             // calls in all, and those that were answered
}

// queue is the machines by their next call.
type queue []*machine

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*machine)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	m := (*q)[last]
	*q = (*q)[:last]
	return m
}

// live lets the fleet live its week.
func (h habit) live(hosts int) (c course) {
	q := make(queue, hosts)
	boots := make(map[*machine]time.Duration, hosts)
	for i := range q {
		boot := time.Duration(rand.Int64N(int64(fleetBoot)))
		q[i] = &machine{at: h.begin(boot)}
		q[i].planned = q[i].at
		boots[q[i]] = boot
	}
	heap.Init(&q)
	c.valid, c.calls = make([]int, aDay/time.Minute), make([]int, aDay/time.Minute)
	credit, last := float64(burst), time.Duration(0) // ECR's
	second, inSecond := time.Duration(-1), 0
	late := map[*machine]bool{}
	for q[0].at < fleetWeek {
		m := q[0]
		now := m.at
		c.made++
		if now < aDay {
			c.calls[now/time.Minute]++
		}
		if s := now.Truncate(time.Second); s != second {
			second, inSecond = s, 0
		}
		inSecond++
		switch {
		case now < aDay:
			c.bootPeak = max(c.bootPeak, inSecond)
		case now >= 2*aDay:
			c.steadyPeak = max(c.steadyPeak, inSecond)
		}
		credit = min(burst, credit+quota*(now-last).Seconds())
		last = now
		if m.failures%sdkAttempts == 0 {
			m.planned = now
		}
		if credit >= 1 {
			credit--
			c.turns++
			if m.had && now > m.end {
				late[m] = true
			}
			if !m.had {
				c.first = append(c.first, now-boots[m])
			}
			from := now
			if m.had && m.end > now {
				from = m.end // until then it is counted
			}
			m.had, m.end, m.obtained, m.failures = true, now+documentedLife, now, 0
			for i := minutes(from); i < min(minutes(m.end), len(c.valid)); i++ {
				c.valid[i]++
			}
		} else {
			m.failures++
		}
		m.at = max(h.again(m, now), now+time.Millisecond)
		heap.Fix(&q, 0)
	}
	for _, m := range q {
		if m.had && m.end < fleetWeek {
			late[m] = true
		}
	}
	c.expired = len(late)
	slices.Sort(c.first)
	return c
}

// minutes is the first full minute at or after t.
func minutes(t time.Duration) int { return int((t + time.Minute - 1) / time.Minute) }

// share is the time within which so much of the fleet had its first token.
func (c course) share(of float64, hosts int) string {
	i := int(of*float64(hosts)) - 1
	if i >= len(c.first) {
		return "never"
	}
	return c.first[i].Round(time.Second).String()
}

func TestAFleetThatBootsAtOnce(t *testing.T) {
	hosts := *fleetHosts
	if testing.Short() {
		hosts = min(hosts, 1000)
	}
	var table []byte
	courses := make([]course, len(habits))
	out := tabwriter.NewWriter((*lines)(&table), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\tfirst token: half\t99 %\tnever\tbusiest second: first day\tlast five\thosts that were without\tcalls for one answer")
	for i, h := range habits {
		c := h.live(hosts)
		courses[i] = c
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%.1f\n", h.name, c.share(0.5, hosts), c.share(0.99, hosts), hosts-len(c.first), c.bootPeak, c.steadyPeak,
			c.expired, float64(c.made)/float64(c.turns))
	}
	_ = out.Flush() // into memory
	t.Logf("%d hosts of one account in one region, a week\n%s", hosts, table)
	ours := courses[0]
	t.Logf("figure: first token after %s (half of %d hosts) and %s (99 %%), where the quota allows the last after %s; at most %d calls a second in the last five days; "+
		"without a token after their first: %d hosts, with cron %d", ours.share(0.5, hosts), hosts, ours.share(0.99, hosts), quotaEnd(hosts), ours.steadyPeak, ours.expired, hosts-len(courses[1].first)+courses[1].expired)
	if ours.expired > 0 || len(ours.first) < hosts {
		t.Errorf("%d hosts were without a token after their first, %d never had one", ours.expired, hosts-len(ours.first))
	}
	least := quotaEnd(hosts)
	if last := ours.first[hosts*99/100-1]; last > least*5/4+5*time.Minute {
		t.Errorf("99 %% had a token after %v; the quota allows all of them after %v", last, least)
	}
	if ours.steadyPeak > 2*quota {
		t.Errorf("%d calls in a second of a usual day", ours.steadyPeak)
	}
	if *fleetPlots != "" {
		plotFleet(t, *fleetPlots, hosts, courses)
	}
}

// quotaEnd is when ECR's quota has let the last host have its first token.
func quotaEnd(hosts int) time.Duration {
	return time.Duration(max(hosts-burst, 0)) * time.Second / quota
}

type lines []byte

func (l *lines) Write(p []byte) (int, error) {
	*l = append(*l, p...)
	return len(p), nil
}

func plotFleet(t *testing.T, dir string, hosts int, courses []course) {
	var valid, calls []curve
	for i, c := range courses {
		valid = append(valid, curve{habits[i].name, c.valid, float64(hosts)})
		calls = append(calls, curve{habits[i].name, c.calls[:3*60], 60})
	}
	for name, p := range map[string]plot{
		"fleet-valid.svg": {fmt.Sprintf("Share of %d hosts with a valid token after they boot within one minute", hosts), "h", 60, "", 1, valid},
		"fleet-calls.svg": {"Calls a second of the whole fleet, mean of each minute", "min", 1, "/s", 0, calls},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), p.svg(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
