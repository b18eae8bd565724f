package api

import (
	"net/http"
	"strings"
	"sync"
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
	body := bodies.Get().(*[]byte)
	*body = credential{host, l.Username, l.Secret.Reveal()}.append((*body)[:0])
	reply(w, http.StatusOK, typeJSON, *body)
	clear(*body)
	bodies.Put(body)
}

// bodies are buffers for answers with a secret, cleared when they are out. There
// may be thousands of such answers a second.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// append renders c as encoding/json does, without looking at a token of some
// thousand bytes more than once.
func (c credential) append(b []byte) []byte {
	for _, text := range []string{c.ServerURL, c.Username, c.Secret} {
		for i := range len(text) {
			if special(text[i]) {
				return append(b, encode(c)...)
			}
		}
	}
	b = append(b, `{"ServerURL":"`...)
	b = append(b, c.ServerURL...)
	b = append(b, `","Username":"`...)
	b = append(b, c.Username...)
	b = append(b, `","Secret":"`...)
	b = append(b, c.Secret...)
	return append(b, "\"}\n"...)
}

// special reports whether encoding/json may write c in another way than as it is.
func special(c byte) bool {
	return c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'
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
	wait := preferredWait(r.Header["Prefer"])
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
