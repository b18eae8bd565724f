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

	mu     sync.Mutex
	users  int // answers under way
	at     time.Time
	report status.Report
	body   []byte // report as JSON; never changed
}

// get gives the state; release is to be called when the answer is out.
func (s *snapshot) get() (report status.Report, body []byte, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
	if now := time.Now(); s.users <= crowd || now.Sub(s.at) >= snapshotLife {
		report := s.status()
		s.body = encode(report)
		s.report, s.at = report, now
	}
	return s.report, s.body, s.release
}

func (s *snapshot) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.report, s.body = status.Report{}, nil // nobody needs the memory
	}
}

// status answers GET /v1/status.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	_, body, release := s.snapshot.get()
	defer release()
	reply(w, http.StatusOK, typeJSON, body)
}

// health answers GET /healthz: there is a daemon and it answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	replyJSON(w, http.StatusOK, struct {
		Healthy bool `json:"healthy"`
	}{true})
}

// readiness is the answer to GET /readyz.
type readiness struct {
	Ready      bool      `json:"ready"`
	Registries []unready `json:"registries"` // those without a valid token
}

type unready struct {
	Host  string          `json:"host"`
	State status.State    `json:"state"`
	Error *status.Problem `json:"error"`
}

// ready answers GET /readyz: every registry has a valid token.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	report, _, release := s.snapshot.get()
	defer release()
	answer := readiness{Ready: true, Registries: []unready{}}
	for _, r := range report.Registries {
		if r.State == status.Pending || r.State == status.Expired {
			answer.Ready = false
			answer.Registries = append(answer.Registries, unready{r.Host, r.State, r.Error})
		}
	}
	code := http.StatusOK
	if !answer.Ready {
		code = http.StatusServiceUnavailable
	}
	replyJSON(w, code, answer)
}
