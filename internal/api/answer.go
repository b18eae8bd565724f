package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
)

const (
	typeJSON  = "application/json"
	typePlain = "text/plain; charset=utf-8"
)

// reply sends a whole answer. Nothing of this API may be kept by anybody on the way.
func reply(w http.ResponseWriter, code int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client may have gone; nobody is left to tell
}

// replyJSON sends v, which is made of nothing but strings, numbers and times.
func replyJSON(w http.ResponseWriter, code int, v any) {
	reply(w, code, typeJSON, encode(v))
}

func encode(v any) []byte {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // a time beyond the year 9999; a defect of the Backend
	}
	return b.Bytes()
}

// refuse tells what is wrong: as JSON, or as one line to a client that would
// rather show it than read it.
func refuse(w http.ResponseWriter, r *http.Request, code int, p problem) {
	p = p.printable()
	if !strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		replyJSON(w, code, refusal{p})
		return
	}
	line := p.Message
	if p.Hint != "" {
		line += "; " + p.Hint
	}
	reply(w, code, typePlain, []byte(line+"\n"))
}

// printable gives p with texts of one line each and of bounded length.
func (p problem) printable() problem {
	var r login.Redactor
	return problem{p.Reason, r.Clean(p.Message), r.Clean(p.Hint)}
}

// explain turns an error of the Backend into a status code and a problem.
func explain(err error, host string) (int, problem) {
	var (
		refused *peerauth.Refusal
		f       *fault.Error
	)
	switch {
	case errors.Is(err, ErrNotOurs):
		return http.StatusNotFound, problem{string(fault.Local), fmt.Sprintf("%q is not a host of the configuration", host),
			"add its registry under registries, or the name under hosts of its registry, and reload"}
	case errors.As(err, &refused):
		return http.StatusForbidden, problem{string(fault.Local), refused.Error(), refused.Hint()}
	case errors.As(err, &f):
		return http.StatusServiceUnavailable, problem{string(f.Reason), f.Error(), f.Hint}
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, problem{string(fault.Network), "not done in time",
			"ecr-refreshd goes on trying; ask ecr-refreshd status"}
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, problem{string(fault.Local), "ecr-refreshd is stopping or moves its socket", "try again in a moment"}
	}
	return http.StatusServiceUnavailable, problem{string(fault.Invalid), err.Error(), ""}
}

// invalid is the problem with a request that nobody should send.
func invalid(message, hint string) problem {
	return problem{string(fault.Invalid), message, hint}
}

func unknownPath(r *http.Request) problem {
	return invalid("no such path: "+strconv.Quote(r.URL.Path), "docs/api.md of ecr-refreshd has all there are")
}
