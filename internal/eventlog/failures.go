package eventlog

import (
	"slices"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
)

const (
	// maxLines bounds the lines of one event, for a file of thousands of hosts can have a fault
	// for each, and in a window those of all grants about one cause. What is more is summed up.
	maxLines = 20
	// window is the time for which maxLines counts. It is also how often a failure that
	// has not changed is logged again.
	window = time.Hour
	// soon is after how long the first sum follows; the wait for each further one doubles, up
	// to window.
	soon = time.Minute
	// maxKnown bounds the texts that are remembered of a failure.
	maxKnown = 64
)

// failures are those that are not over. What fails the same way again is no news, and what many
// grants have for one reason is logged for the first of them: the others, and how long
// it lasts, are in sums.
type failures struct {
	bySubject map[subject]*failure
	byCause   map[cause]*trouble
}

// subject is what can fail and recover by itself.
type subject struct {
	grant  renew.Grant
	target string
	kind   renew.Kind
}

// cause is what makes the failures of several grants the same to a reader. There are
// few: kinds times targets times reasons.
type cause struct {
	target string
	kind   renew.Kind
	reason fault.Reason
}

// failure is how one subject fails.
type failure struct {
	since time.Time // the first time
	until time.Time // when it is forgotten, if nothing is heard of it: its grant exists no longer
	count int       // times
	said  bool      // a line has named it
	known map[string]bool
	last  *fault.Error
}

// trouble is how all the grants fail that do for one cause.
type trouble struct {
	since    time.Time                // the first time since it was over
	count    int                      // times since then
	affected map[renew.Grant][]string // the hosts by grant
	last     *fault.Error

	opened time.Time     // the beginning of the window, in which
	lines  int           // there were so many lines
	logged time.Time     // the last line
	wait   time.Duration // for the next sum
	unsaid bool          // something was news and had no line
}

func newFailures() failures {
	return failures{bySubject: make(map[subject]*failure), byCause: make(map[cause]*trouble)}
}

// begin notes that e failed.
func (fs failures) begin(e renew.Event) *failure {
	s := subject{e.Grant, e.Target, e.Kind}
	f := fs.bySubject[s]
	if f == nil || e.At.After(f.until) {
		fs.drop(s)
		f = &failure{since: e.At, known: make(map[string]bool)}
		fs.bySubject[s] = f
	}
	f.count++
	f.until = e.At.Add(e.RetryIn + window)
	faults := fault.All(e.Err)
	for c, t := range fs.byCause {
		if c.of(e) && !fault.Has(e.Err, c.reason) {
			delete(t.affected, e.Grant) // it fails for another reason now
		}
	}
	for i, one := range faults {
		if !slices.ContainsFunc(faults[:i], func(before *fault.Error) bool { return before.Reason == one.Reason }) {
			fs.trouble(e, one.Reason).count++
		}
		f.last = one
	}
	return f
}

func (c cause) of(e renew.Event) bool { return c.target == e.Target && c.kind == e.Kind }

// trouble returns that of e and the reason, with e's grant in it.
func (fs failures) trouble(e renew.Event, reason fault.Reason) *trouble {
	c := cause{e.Target, e.Kind, reason}
	t := fs.byCause[c]
	if t == nil {
		t = &trouble{affected: make(map[renew.Grant][]string)}
		fs.byCause[c] = t
	}
	for grant := range t.affected {
		if failing := (subject{grant, e.Target, e.Kind}); e.At.After(fs.bySubject[failing].until) {
			fs.drop(failing)
		}
	}
	if len(t.affected) == 0 {
		t.since, t.count = e.At, 0
	}
	if e.At.Sub(t.opened).Abs() >= window {
		t.opened, t.lines = e.At, 0
		if len(t.affected) == 0 {
			t.wait = soon
		}
	}
	t.affected[e.Grant] = nil
	return t
}

// news reports whether one fault of e deserves a line of its own, and counts that line.
func (fs failures) news(f *failure, e renew.Event, one *fault.Error) bool {
	t := fs.byCause[cause{e.Target, e.Kind, one.Reason}]
	t.last = one
	t.affected[e.Grant] = append(t.affected[e.Grant], hostsOf(e, one)...)
	// The text of the fault's own cause is no part of it: request ids and port numbers
	// differ each time.
	text := string(one.Reason) + "\n" + one.Op + "\n" + one.Hint
	if f.known[text] && e.Kind != renew.Undone { // each of these is an event of its own
		return false
	}
	if len(f.known) < maxKnown {
		f.known[text] = true
	}
	if t.lines >= maxLines {
		t.unsaid = true
		return false
	}
	t.lines++
	t.logged = e.At
	f.said = true
	return true
}

// sum is a trouble as a line tells it.
type sum struct {
	event  renew.Event // with the hosts of all its grants; its grant, where it is one
	grants int
	count  int
	since  time.Time
	fault  *fault.Error // the last
}

// due returns the sums for which it is time now that e failed.
func (fs failures) due(e renew.Event) (sums []sum) {
	for _, reason := range fault.Reasons() {
		t := fs.byCause[cause{e.Target, e.Kind, reason}]
		if t == nil || !fault.Has(e.Err, reason) {
			continue
		}
		quiet := e.At.Sub(t.logged).Abs()
		if quiet < window && (!t.unsaid || quiet < t.wait) {
			continue
		}
		if t.unsaid {
			t.wait = min(2*t.wait, window)
		}
		t.unsaid, t.logged = false, e.At
		s := sum{event: e, count: t.count, since: t.since, fault: t.last}
		s.event.Hosts = nil
		for grant, hosts := range t.affected {
			fs.bySubject[subject{grant, e.Target, e.Kind}].said = true
			s.event.Hosts = append(s.event.Hosts, hosts...)
			s.grants++
		}
		slices.Sort(s.event.Hosts)
		s.event.Hosts = slices.Compact(s.event.Hosts)
		if s.grants > 1 {
			s.event = renew.Event{Kind: e.Kind, Target: e.Target, Hosts: s.event.Hosts, At: e.At}
		}
		sums = append(sums, s)
	}
	return sums
}

// end forgets the failure of the kind that is over with e, and returns it; nil for none.
func (fs failures) end(e renew.Event, kind renew.Kind) *failure {
	s := subject{e.Grant, e.Target, kind}
	f := fs.bySubject[s]
	fs.drop(s)
	return f
}

func (fs failures) drop(s subject) {
	delete(fs.bySubject, s)
	for c, t := range fs.byCause {
		if c.target == s.target && c.kind == s.kind {
			delete(t.affected, s.grant)
		}
	}
}

// last is the last fault of the renewals of e's grant, whose token has expired.
func (fs failures) last(e renew.Event) *fault.Error {
	if f := fs.bySubject[subject{e.Grant, "", renew.RenewFailed}]; f != nil {
		return f.last
	}
	return &fault.Error{Reason: fault.Invalid, Op: "renew the token", Hint: "see `ecr-refreshd status` for why there is no new one"}
}

// hostsOf are the hosts that a fault of e is about.
func hostsOf(e renew.Event, f *fault.Error) []string {
	if len(f.Hosts) > 0 {
		return f.Hosts
	}
	return e.Hosts
}
