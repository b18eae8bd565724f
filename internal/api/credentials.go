package api

import (
	"net/http"
	"strings"
	"time"
)

// credential answers GET /v1/credentials/HOST.
func (s *Server) credential(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.PathValue("host"))
	if !plausible(host) {
		s.answered(http.StatusBadRequest)
		refuse(w, r, http.StatusBadRequest, invalid("this is not the name of a host", "ask for HOST or HOST:PORT"))
		return
	}
	wait, ok := patience(w, r)
	if !ok {
		s.answered(http.StatusBadRequest)
		return
	}
	who := peerOf(r)
	l, err := s.backend.Credential(r.Context(), host, who, wait)
	if err != nil {
		code, p := explain(err, host)
		if r.Context().Err() == nil { // else nobody hears the answer, or everything is ending
			s.answered(code)
			s.journal.refused(r.Context(), code, host, who, p)
		}
		refuse(w, r, code, p)
		return
	}
	s.answered(http.StatusOK)
	w.Header().Set(headerExpires, l.ExpiresAt.UTC().Format(time.RFC3339))
	replyJSON(w, http.StatusOK, credential{host, l.Username, l.Secret.Reveal()})
}

// credentials answers GET /v1/credentials.
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) {
	wait, ok := patience(w, r)
	if !ok {
		return
	}
	hosts := s.backend.Credentials(r.Context(), peerOf(r), wait)
	if hosts == nil {
		hosts = map[string]string{}
	}
	replyJSON(w, http.StatusOK, hosts)
}

// patience returns how long the client will wait, maxWait at most, and lets the
// answer be written that much later. It refuses what is no such duration.
func patience(w http.ResponseWriter, r *http.Request) (wait time.Duration, ok bool) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, true
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		refuse(w, r, http.StatusBadRequest, invalid("this is not how long to wait", "ask for a duration such as wait=10s"))
		return 0, false
	}
	wait = min(wait, maxWait)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeTime))
	return wait, true
}

// plausible reports whether host could be a name with or without a port. It
// keeps out what would only make a mess of messages and logs.
func plausible(host string) bool {
	if host == "" || len(host) > 255+len(":65535") {
		return false
	}
	for i := range len(host) {
		c := host[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte(".-_:[]", c) >= 0) {
			return false
		}
	}
	return true
}
