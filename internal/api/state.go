package api

import (
	"net/http"
	"sync"
	"time"

	"ecr-refreshd/internal/status"
)

const (
	// crowd is how many answers are under way before they share one encoded status,
	// for snapshotLife: a crowd of slow readers holds one copy of it, not one each.
	crowd        = 16
	snapshotLife = 250 * time.Millisecond
)

// snapshot is the state of some moments ago. Safe for concurrent use.
type snapshot struct {
	status func() status.Report

	mu    sync.Mutex
	users int // answers under way
	at    time.Time
	body  []byte // the report as JSON; never changed
}

// get gives the state; release is to be called when the answer is out.
func (s *snapshot) get() (body []byte, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
	if now := time.Now(); s.users <= crowd || now.Sub(s.at) >= snapshotLife {
		s.body, s.at = encode(s.status()), now
	}
	return s.body, s.release
}

func (s *snapshot) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.body = nil // nobody needs the memory
	}
}

// status answers GET /v1/status.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	body, release := s.snapshot.get()
	defer release()
	reply(w, http.StatusOK, typeJSON, body)
}
