package renew

import (
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
)

// newsSpread is how far apart, on average, the grants of one endpoint try
// again when one of them has heard from it.
const newsSpread = 100 * time.Millisecond

// Endpoint is shared by the grants that ask the same AWS endpoint, so that
// they behave as one caller while it does not answer: the more of them fail,
// the longer each waits, and the first that gets an answer tells the others.
// The zero value is ready. Safe for concurrent use.
type Endpoint struct {
	mu       sync.Mutex
	failing  map[*Renewer]int // how often in a row
	answered chan struct{}    // closed and replaced at each answer
}

// failed notes that r got no service for the failures-th time in a row. It
// returns how many grants did not, and the longest such row: a grant that
// starts to fail late need not find out again what the others know.
func (e *Endpoint) failed(r *Renewer, failures int) (grants, longest int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failing == nil {
		e.failing = make(map[*Renewer]int)
	}
	e.failing[r] = failures
	for _, n := range e.failing {
		longest = max(longest, n)
	}
	return len(e.failing), longest
}

// forget notes that r's trouble is no longer, or never was, the endpoint's.
func (e *Endpoint) forget(r *Renewer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.failing, r)
}

// answers notes that r got an answer, and tells those that did not.
func (e *Endpoint) answers(r *Renewer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.failing, r)
	if e.answered != nil {
		close(e.answered)
		e.answered = nil
	}
}

// news is closed when the endpoint answers one of the grants.
func (e *Endpoint) news() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.answered == nil {
		e.answered = make(chan struct{})
	}
	return e.answered
}

// waiting is the number of grants that have not been served.
func (e *Endpoint) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.failing)
}

// shared reports whether a fault of this reason is the endpoint's and not the
// grant's own.
func shared(r fault.Reason) bool { return r == fault.Network || r == fault.Throttled }
