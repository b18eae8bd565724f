package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

// refresh answers POST /v1/refresh.
func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	who := peerOf(r)
	if !s.directory.Privileged(who) {
		who = s.directory.Named(r.Context(), who)
		refuse(w, r, http.StatusForbidden, problem{string(fault.Local), who.String() + " may not ask for a renewal",
			"ask as root or as the user that ecr-refreshd runs as"})
		return
	}
	host := strings.ToLower(r.URL.Query().Get("host"))
	if host != "" && !plausible(host) {
		refuse(w, r, http.StatusBadRequest, invalid("this is not the name of a host", "ask for host=HOST or host=HOST:PORT"))
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(refreshTime + writeTime))
	ctx, cancel := context.WithTimeout(r.Context(), refreshTime)
	defer cancel()
	rows, err := s.backend.Refresh(ctx, host)
	if err != nil {
		code, p := explain(err, host)
		refuse(w, r, code, p)
		return
	}
	answer := renewal{Registries: rows, Error: firstTrouble(rows)}
	if rows == nil {
		answer.Registries = []status.Registry{}
	}
	code := http.StatusOK
	if answer.Error != nil {
		code = http.StatusServiceUnavailable
	}
	replyJSON(w, code, answer)
}

// firstTrouble sums up what is not renewed and stored; nil when all is.
func firstTrouble(rows []status.Registry) *problem {
	var first *problem
	bad := 0
	for _, row := range rows {
		if p := trouble(row); p != nil {
			if bad++; first == nil {
				first = p
			}
		}
	}
	if bad > 1 {
		first.Message = fmt.Sprintf("%s (and %d more of %d hosts)", first.Message, bad-1, len(rows))
	}
	return first
}

// trouble says what keeps one row from being renewed and stored everywhere.
func trouble(row status.Registry) *problem {
	if row.State != status.Fresh {
		return describe(row.Error, fmt.Sprintf("%s is %s", row.Host, row.State))
	}
	for _, t := range row.Targets {
		if t.State != status.OK {
			return describe(t.Error, fmt.Sprintf("target %q is %s for %s", t.Name, t.State, row.Host))
		}
	}
	return nil
}

func describe(cause *status.Problem, what string) *problem {
	if cause == nil {
		return &problem{string(fault.Local), what, "see ecr-refreshd status"}
	}
	return &problem{string(cause.Reason), what + ": " + cause.Message, cause.Hint}
}
