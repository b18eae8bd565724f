package ecr

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
)

// TestAnEchoTellsNothing: what answers in AWS's place may send back what it got.
func TestAnEchoTellsNothing(t *testing.T) {
	const secret, token = canary + "/wJalrXUtnFEMIK7MDENGbPx", canary + "/IQoJb3JpZ2luX2VjEJr"
	const answer = "you sent %s" + token + " signed by "
	text := func(control string) string { return fmt.Sprintf(answer, control) + secret[3:30] + ", no" }
	inJSON := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":"%s"}`, text(`\u001b]0;gone\u0007`))
	}
	inXML := refuseXML(403, "AccessDenied", text("&#x9;"))
	role := []string{firstRole}
	tests := []struct {
		name, operation string
		id              Identity
		answer          http.HandlerFunc
	}{
		{"token", "GetAuthorizationToken", Identity{}, inJSON},
		{"role", "AssumeRole", Identity{RoleARNs: role}, inXML},
		{"session", "GetSessionToken", Identity{MFASerial: "s-1", MFACommand: []string{"echo", "123456"}}, inXML},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keys(t, "ASIA1", secret)
			t.Setenv("AWS_SESSION_TOKEN", token)
			f := newFake(t)
			tt.id.EndpointURL, tt.id.STSEndpointURL = f.URL, f.URL
			f.set(tt.operation, tt.answer)
			err := failFetch(t, newSource(t, tt.id, Options{}))
			if err.Reason != fault.Denied || !strings.Contains(err.Error(), "[redacted] signed by [redacted]") {
				t.Errorf("%s: %q", err.Reason, err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\x07\t") {
				t.Errorf("control characters in %q", err)
			}
		})
	}
}

func TestACallersDeadlineGetsAHintAndACancellationNone(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	asked := make(chan struct{}, 2)
	f.set("GetAuthorizationToken", func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	fetch := func(ctx context.Context) *fault.Error {
		_, err := newSource(t, f.id(), Options{}).Fetch(ctx)
		all := fault.All(err)
		if len(all) != 1 || all[0].Reason != fault.Network || !strings.Contains(err.Error(), "called off before AWS answered") {
			t.Fatalf("got %v", err)
		}
		return all[0]
	}
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if hint := fetch(late).Hint; !strings.Contains(hint, "check") {
		t.Errorf("deadline: hint %q", hint)
	}
	for len(asked) > 0 {
		<-asked
	}
	gone, leave := context.WithCancel(t.Context())
	go func() { <-asked; leave() }()
	if hint := fetch(gone).Hint; hint != "" {
		t.Errorf("cancelled: hint %q", hint)
	}
}

func TestAnErrorNamesTheRequest(t *testing.T) {
	named := regexp.MustCompile(`\(request id ([A-Z2-7]{26})\)$`)
	server, id := start(t, emulator.Options{Roles: []emulator.Role{{ARN: firstRole, ExternalID: "ext"}}})
	server.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Code: "AccessDeniedException", Message: "no"})
	role := id
	role.RoleARNs = []string{firstRole}
	seen := map[string]bool{}
	for _, id := range []Identity{id, id, role} {
		err := failFetch(t, newSource(t, id, Options{}))
		found := named.FindStringSubmatch(err.Error())
		if found == nil || seen[found[1]] {
			t.Fatalf("no request id of its own in %v", err)
		}
		seen[found[1]] = true
	}
}
