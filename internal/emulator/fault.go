package emulator

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault is something that goes wrong to order. Faults apply in the order of
// their injection: the first that decides the answer is the last that is
// looked at for a request; those that only delay add up before it.
type Fault struct {
	Operation     string // as in Call.Is; "registry" is /v2/ requests; "" = any
	Region        string // "" = any
	Times         int    // how many requests it hits; 0 = until cleared
	Status        int    // HTTP status of the answer, with Code and Message as the service's error; default 400
	Code, Message string
	Delay         time.Duration  // before answering; ends early when the client goes away
	Drop          bool           // close the connection without an answer
	ExpiresIn     *time.Duration // answer well, but report this as the rest of an authorization token's life; the token itself lives TokenLife
	Body          string         // answer 200, or Status, with this body instead
}

// decides reports whether f settles what the answer is.
func (f Fault) decides() bool {
	return f.Drop || f.ExpiresIn != nil || f.Body != "" || f.fails()
}

func (f Fault) fails() bool { return f.Status != 0 || f.Code != "" }

type injected struct {
	Fault
	id, hits int
}

type faults struct {
	mu     sync.Mutex
	lastID int
	list   []*injected
}

// Inject makes f happen from now on, until it is used up or cleared. Clearing
// twice does no harm.
func (s *Server) Inject(f Fault) (clear func()) {
	id := s.faults.add(f)
	return func() { s.faults.remove(id) }
}

func (l *faults) add(f Fault) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastID++
	l.list = append(l.list, &injected{Fault: f, id: l.lastID})
	return l.lastID
}

// remove reports whether there was such a fault.
func (l *faults) remove(id int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(f *injected) bool { return f.id == id })
	return len(l.list) < before
}

func (l *faults) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// take gives what is to go wrong with c, and uses it up.
func (l *faults) take(c Call) Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken Fault
	spent := false
	for _, f := range l.list {
		if !c.Is(f.Operation) || f.Region != "" && f.Region != c.Region {
			continue
		}
		f.hits++
		spent = spent || f.hits == f.Times
		delay := taken.Delay + f.Delay
		if f.decides() {
			taken = f.Fault
			taken.Delay = delay
			break
		}
		taken.Delay = delay
	}
	if spent {
		l.list = slices.DeleteFunc(l.list, func(f *injected) bool { return f.Times > 0 && f.hits == f.Times })
	}
	return taken
}

// disturb applies the fault that awaits x, if any, and reports whether that
// was the answer. It does not return when the connection is to be cut.
// fail answers with an error in the form of the service.
func (s *Server) disturb(x *exchange, fail func(*apiError)) (f Fault, answered bool) {
	f = s.faults.take(x.call)
	if f.Delay > 0 && !wait(x.req, f.Delay) || f.Drop {
		panic(http.ErrAbortHandler) // how net/http is told to cut the connection
	}
	switch {
	case f.Body != "":
		x.call.Code = f.Code
		if f.Status != 0 {
			x.WriteHeader(f.Status)
		}
		_, _ = x.Write([]byte(f.Body))
		return f, true
	case f.fails():
		if f.Status == 0 {
			f.Status = http.StatusBadRequest
		}
		fail(&apiError{f.Status, f.Code, f.Message})
		return f, true
	}
	return f, false
}

// wait reports whether d has passed before the client, or the server, went
// away.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
