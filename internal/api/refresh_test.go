package api

import (
	"errors"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

func TestARefreshIsWellWhenEverythingIsRenewedAndStored(t *testing.T) {
	trouble := &status.Problem{Reason: fault.Engine, Message: "post auth: connection refused", Hint: "start docker"}
	stored := status.Target{Name: "engine", State: status.OK}
	tests := []struct {
		name string
		rows []status.Registry
		code int
		want string
	}{
		{"all is well", []status.Registry{{Host: "a", State: status.Fresh, Targets: []status.Target{stored}}}, 200, `"state":"fresh"`},
		{"nothing to do", nil, 200, `{"registries":[]}`},
		{"not renewed", []status.Registry{{Host: "a", State: status.Failing, Error: trouble}}, 503,
			`"error":{"reason":"engine","message":"a is failing: post auth: connection refused","hint":"start docker"}`},
		{"not stored", []status.Registry{{Host: "a", State: status.Fresh, Targets: []status.Target{stored, {Name: "file", State: status.Failed, Error: trouble}}}}, 503,
			`"message":"target \"file\" is failed for a: post auth`},
		{"not known to be stored", []status.Registry{{Host: "a", State: status.Fresh, Targets: []status.Target{{Name: "file", State: status.Pending}}}}, 503,
			`"message":"target \"file\" is pending for a","hint":"see ecr-refreshd status"`},
		{"several", []status.Registry{{Host: "a", State: status.Expired}, {Host: "b", State: status.Fresh}, {Host: "c", State: status.Pending}}, 503,
			`"message":"a is expired (and 1 more of 3 hosts)"`},
	}
	b := newBed(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.locked(func() { b.rows = tt.rows })
			got := b.ask(t, "POST", pathRefresh+"?host="+goodHost, nil)
			if got.code != tt.code || !strings.Contains(got.body, tt.want) || !strings.Contains(got.body, `"registries":[`) {
				t.Errorf("got %d %q", got.code, got.body)
			}
			rows, err := Dial([]string{b.socket}).Refresh(t.Context(), "")
			if len(rows) != len(tt.rows) || (err == nil) != (tt.code == 200) || tt.code != 200 && !errors.As(err, new(*fault.Error)) {
				t.Errorf("the client got %v, %v", rows, err)
			}
		})
	}
	for query, code := range map[string]int{"?host=" + foreignHost: 404, "?host=a%20b": 400} {
		if got := b.ask(t, "POST", pathRefresh+query, nil); got.code != code {
			t.Errorf("%s: got %d %q", query, got.code, got.body)
		}
	}
}
