package ecr

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
)

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	endless := func(status int, begin string, sent *int, ended chan<- struct{}) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			defer close(ended)
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, begin)
			for *sent < 64*answerLimit {
				n, err := fmt.Fprint(w, strings.Repeat("x", 1<<16))
				if *sent += n; err != nil {
					return // cut off
				}
			}
		}
	}
	tests := []struct {
		name, operation string
		status          int
		begin           string
	}{
		{"ECR", "GetAuthorizationToken", 200, `{"a":"`},
		{"ECR, an error", "GetAuthorizationToken", 400, `{"a":"`},
		{"STS", "AssumeRole", 200, "<AssumeRoleResponse><AssumeRoleResult>"},
		{"STS, an error", "AssumeRole", 403, "<ErrorResponse>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			id := f.id()
			id.RoleARNs = []string{firstRole}
			sent, ended := 0, make(chan struct{})
			f.set(tt.operation, endless(tt.status, tt.begin, &sent, ended))
			err := failFetch(t, newSource(t, id, Options{}))
			<-ended
			if err.Reason != fault.Invalid || !strings.Contains(err.Error(), "more than 1048576 bytes") || err.Hint == "" {
				t.Errorf("%s: %v (%s)", err.Reason, err, err.Hint)
			}
			if sent >= 64*answerLimit {
				t.Error("the whole answer was read")
			}
		})
	}
}
