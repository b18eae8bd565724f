package api

import (
	"net/http"
	"net/url"
	"path"
	"strconv"
)

// routes is the table of what there is to ask.
func (s *Server) routes(watching map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	type route struct {
		method, path string
		handle       http.HandlerFunc
	}
	routes := []route{
		{http.MethodGet, pathStatus, statusText(s.backend).ServeHTTP},
		{http.MethodGet, pathCredentials, s.credentials},
		{http.MethodGet, pathCredentials + "/{host}", s.credential},
		{http.MethodPost, pathRefresh, s.refresh},
	}
	for path, h := range watching {
		routes = append(routes, route{http.MethodGet, path, h.ServeHTTP})
	}
	for _, route := range routes {
		allowed := route.method
		if allowed == http.MethodGet {
			allowed += ", " + http.MethodHead // the pattern takes both
		}
		mux.HandleFunc(route.method+" "+route.path, route.handle)
		mux.HandleFunc(route.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allowed)
			refuse(w, r, http.StatusMethodNotAllowed, invalid("method "+strconv.Quote(r.Method)+" on "+route.path, "use "+allowed))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, http.StatusNotFound, unknownPath(r))
	})
	return mux
}

// clean reports whether u's path is in the one form in which the table has it:
// for any other the mux would answer with a redirect, and a client could be led
// past what it meant.
func clean(u *url.URL) bool {
	p := u.EscapedPath()
	return p != "" && p[0] == '/' && path.Clean(p) == p
}
