package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
)

// serveRegistry serves /v2/ of every registry, and /token/ of ECR Public.
func (s *Server) serveRegistry(x *exchange) {
	x.call.Host = x.req.Host
	x.call.Operation = registryOperation
	x.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	at := s.sites.find(x.req.Host)
	if at == nil {
		x.refuse(&refusal{http.StatusMisdirectedRequest, "NAME_UNKNOWN", "no registry of that host name is emulated"})
		return
	}
	x.call.Region = at.region
	path := x.req.URL.Path
	bearer := at.public || at.open
	isToken := bearer && strings.TrimSuffix(path, "/") == "/token"
	if isToken {
		x.call.Operation = registryTokenRequest
	} else if path != "/v2" && !strings.HasPrefix(path, "/v2/") {
		x.refuse(&refusal{http.StatusNotFound, "UNSUPPORTED", "only /v2/ is served here"})
		return
	}
	if _, answered := s.disturb(x, func(e *apiError) {
		if e.Status == http.StatusUnauthorized {
			x.challenge(at)
		}
		x.refuse(&refusal{e.Status, e.Code, e.Message})
	}); answered {
		return
	}
	if isToken {
		s.serveBearer(x, at)
		return
	}
	admit := s.admitPrivate
	if bearer {
		admit = s.admitPublic
	}
	if no := admit(x, at); no != nil {
		if no.status == http.StatusUnauthorized {
			x.challenge(at)
		}
		x.refuse(no)
		return
	}
	at.images.ServeHTTP(x, x.req)
}

// notAuthorized is the answer to a request without a login.
func notAuthorized() *refusal {
	return &refusal{http.StatusUnauthorized, "UNAUTHORIZED", "Not Authorized"}
}

func (s *Server) admitPrivate(x *exchange, at *site) *refusal {
	if x.req.Header.Get("Authorization") == "" {
		return notAuthorized()
	}
	username, password, ok := x.req.BasicAuth()
	if !ok {
		return at.unknownToken()
	}
	return s.tokens.judge(at, username, password, s.now())
}

// admitPublic lets everybody pull who has fetched a bearer token, and those
// push who logged in for theirs.
func (s *Server) admitPublic(x *exchange, at *site) *refusal {
	bearer, ok := strings.CutPrefix(x.req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return notAuthorized()
	}
	kind, ok := s.bearers.check(bearer, s.now())
	if !ok {
		return notAuthorized()
	}
	reads := x.req.Method == http.MethodGet || x.req.Method == http.MethodHead
	if !reads && kind != loggedIn && !at.open {
		return &refusal{http.StatusForbidden, "DENIED", "Not Authorized to push without a login"}
	}
	return nil
}

// serveBearer gives bearer tokens to those who log in well, and to those who do
// not log in at all. A login that has expired is worse than none.
func (s *Server) serveBearer(x *exchange, at *site) {
	if x.req.Method != http.MethodGet {
		// Clients that try OAuth first take this as a reason to use GET.
		x.refuse(&refusal{http.StatusMethodNotAllowed, "UNSUPPORTED", "use GET"})
		return
	}
	kind := anonymous
	if x.req.Header.Get("Authorization") != "" {
		username, password, _ := x.req.BasicAuth()
		no := at.unknownToken()
		if !at.open {
			no = s.tokens.judge(at, username, password, s.now())
		}
		if no != nil {
			no.status = http.StatusForbidden
			x.refuse(no)
			return
		}
		kind = loggedIn
	}
	x.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(x).Encode(map[string]string{"token": s.bearers.issue(kind, s.now())})
}

// challenge tells the client how to log in.
func (x *exchange) challenge(at *site) {
	how := `Basic realm="https://` + x.req.Host + `/",service="ecr.amazonaws.com"`
	switch {
	case at.public:
		how = `Bearer realm="https://` + x.req.Host + `/token/",service="public.ecr.aws",scope="aws"`
	case at.open:
		how = `Bearer realm="https://` + x.req.Host + `/token/",service="` + x.req.Host + `"`
	}
	x.Header().Set("Www-Authenticate", how)
}

// refuse answers in the form of the registry protocol.
func (x *exchange) refuse(no *refusal) {
	x.call.Code = no.code
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	x.Header().Set("Content-Type", "application/json")
	x.WriteHeader(no.status)
	_ = json.NewEncoder(x).Encode(map[string][]problem{"errors": {{no.code, no.message}}})
}
