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
		refuse(w, r, http.StatusBadRequest, invalid("this is not the name of a host", "ask for HOST or HOST:PORT"))
		return
	}
	who := peerOf(r)
	l, err := s.backend.Credential(r.Context(), host, who, s.patience(w, r))
	if err != nil {
		code, p := explain(err, host)
		if r.Context().Err() == nil {
			s.journal.refused(r.Context(), code, host, who, p)
		}
		refuse(w, r, code, p)
		return
	}
	w.Header().Set(headerExpires, l.ExpiresAt.UTC().Format(time.RFC3339))
	replyJSON(w, http.StatusOK, credential{host, l.Username, l.Secret.Reveal()})
}

// credentials answers GET /v1/credentials.
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) {
	hosts := s.backend.Credentials(r.Context(), peerOf(r), s.patience(w, r))
	if hosts == nil {
		hosts = map[string]string{}
	}
	replyJSON(w, http.StatusOK, hosts)
}

// patience gives how long the client will wait, and gives the answer that much
// more time to be written.
func (s *Server) patience(w http.ResponseWriter, r *http.Request) time.Duration {
	wait := preferredWait(r.Header.Values("Prefer"))
	if wait > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeTime))
	}
	return wait
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
