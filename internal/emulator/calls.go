package emulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// keptCalls bounds the memory of a long run: Calls gives that many at most.
const keptCalls = 1 << 14

// Call is one request and how it was answered.
type Call struct {
	At        time.Time `json:"at"`
	Service   string    `json:"service"`             // ecr, ecr-public, sts, imds, registry
	Operation string    `json:"operation"`           // the API action, "imds", "registry" (/v2/), "registry-token" (/token/)
	Region    string    `json:"region,omitempty"`    // of the credential scope, the instance or the registry
	Principal string    `json:"principal,omitempty"` // the access key that signed; claimed, where Code says it was refused
	Host      string    `json:"host,omitempty"`      // of the registry
	Status    int       `json:"status"`              // 0: the connection was cut without an answer
	Code      string    `json:"code,omitempty"`      // of the error; empty when all went well
}

// Is reports whether the call is the operation op, written as "AssumeRole" or
// with its service, as "ecr-public:GetAuthorizationToken". The empty op is any.
func (c Call) Is(op string) bool {
	service, name, qualified := strings.Cut(op, ":")
	if qualified {
		return service == c.Service && name == c.Operation
	}
	return op == "" || op == c.Operation
}

// history remembers the newest calls and counts them all.
type history struct {
	mu     sync.Mutex
	ring   []Call
	oldest int          // index in ring, once it is full
	counts map[Call]int // by Service and Operation alone
}

func (h *history) add(c Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil {
		h.counts = map[Call]int{}
	}
	h.counts[Call{Service: c.Service, Operation: c.Operation}]++
	if len(h.ring) < keptCalls {
		h.ring = append(h.ring, c)
		return
	}
	h.ring[h.oldest] = c
	h.oldest = (h.oldest + 1) % keptCalls
}

// Calls gives what was asked so far, oldest first; of a very long run, the
// newest 16,384. A call is listed before its answer leaves.
func (s *Server) Calls() []Call {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.ring[h.oldest:], h.ring[:h.oldest])
}

// CallCount counts every call of the operation op since the start, named as in
// Call.Is.
func (s *Server) CallCount(op string) int {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for kind, count := range h.counts {
		if kind.Is(op) {
			n += count
		}
	}
	return n
}

// exchange is one request with its answer. The call is recorded when the
// answer's header is written, so that a client that has the answer finds it in
// the history.
type exchange struct {
	http.ResponseWriter
	req      *http.Request
	call     Call
	record   func(Call)
	recorded bool
}

func (x *exchange) WriteHeader(status int) {
	x.note(status)
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	x.note(http.StatusOK)
	return x.ResponseWriter.Write(p)
}

func (x *exchange) note(status int) {
	if x.recorded {
		return
	}
	x.recorded = true
	x.call.Status = status
	x.record(x.call)
}

// handler makes one of the server's services an http.Handler that records its
// calls and tells the emulator's time in the Date header, from which the AWS
// SDKs correct their own clock.
func (s *Server) handler(service string, serve func(*exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := s.now()
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		x := &exchange{ResponseWriter: w, req: r, call: Call{At: now, Service: service}, record: s.record}
		defer x.note(0) // nothing written: the handler panicked to cut the connection
		serve(x)
		x.note(http.StatusOK)
	})
}

func (s *Server) record(c Call) {
	s.history.add(c)
	if s.onCall != nil {
		s.onCall(c)
	}
}
