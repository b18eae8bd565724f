package status

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
)

func TestSummary(t *testing.T) {
	soon, later := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), time.Date(2026, 1, 2, 6, 0, 0, 0, time.Local)
	denied := &Problem{Reason: fault.Denied, Message: "AccessDenied\nas x", Hint: "allow it"}
	fresh := Registry{Host: "fresh", State: Fresh, NextRefreshAt: &later, Targets: []Target{{State: OK}}}
	sooner := Registry{Host: "sooner", State: Fresh, NextRefreshAt: &soon}
	pending := Registry{Host: "pending", State: Pending}
	refused := Registry{Host: "refused", State: Pending, Error: denied}
	failing := Registry{Host: "failing", State: Failing, Error: denied}
	expired := Registry{Host: "expired", State: Expired, Error: denied}
	file := Registry{Host: "file", State: Fresh, Targets: []Target{{State: OK}, {State: Failed, Error: &Problem{Message: "disk is full"}}}}
	tests := []struct {
		name string
		rows []Registry
		want string
	}{
		{"well", []Registry{fresh, sooner}, "2 registries logged in, next renewal at 03:04:05"},
		{"well, in whatever order", []Registry{{State: Fresh}, sooner, fresh}, "3 registries logged in, next renewal at 03:04:05"},
		{"one", []Registry{fresh}, "1 registry logged in, next renewal at 06:00:00"},
		{"starting", []Registry{fresh, pending}, "1 of 2 registries wait for their first token"},
		{"storing", []Registry{fresh, {Host: "new", State: Fresh, Targets: []Target{{State: Pending}}}}, "1 of 2 registries are just being logged in"},
		{"a target", []Registry{fresh, file}, "1 of 2 registries not well: file fresh: disk is full"},
		{"the worst", []Registry{failing, file, expired, refused}, "4 of 4 registries not well: expired expired: AccessDenied as x; allow it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Report{Registries: tt.rows}).Summary(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	bad := Report{Registries: []Registry{fresh}, Config: Config{Error: &Problem{Message: "c.yaml:1: wrong"}}}
	if got := bad.Summary(); !strings.Contains(got, "c.yaml:1: wrong; 1 registry logged in") {
		t.Errorf("with an error in the configuration: %q", got)
	}
	deaf := Report{Registries: []Registry{fresh}, Socket: Socket{Error: &Problem{Message: "the socket is gone", Hint: "make it"}}}
	if got := deaf.Summary(); !strings.HasPrefix(got, "the socket is gone; make it; 1 registry logged in") {
		t.Errorf("with an error of the socket: %q", got)
	}
	silent := Report{Registries: []Registry{fresh}, HTTP: &HTTP{Error: &Problem{Message: "the port is in use", Hint: "write another"}}}
	if got := silent.Summary(); !strings.HasPrefix(got, "the port is in use; write another; 1 registry logged in") {
		t.Errorf("with an error of http.listen: %q", got)
	}
	storing := Registry{Host: "storing", State: Fresh, Targets: []Target{{State: Pending}}}
	rows := []Registry{fresh, storing, file, failing, pending, expired, refused}
	WorstFirst(rows)
	var order []string
	for _, r := range rows {
		order = append(order, r.Host)
	}
	if want := []string{"expired", "refused", "failing", "file", "pending", "storing", "fresh"}; !slices.Equal(order, want) {
		t.Errorf("sorted: %q", order)
	}
}
