package ecr

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
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
		id              login.Identity
		answer          http.HandlerFunc
	}{
		{"token", "GetAuthorizationToken", login.Identity{}, inJSON},
		{"role", "AssumeRole", login.Identity{RoleARNs: role}, inXML},
		{"session", "GetSessionToken", login.Identity{MFASerial: "s-1", MFACommand: []string{"echo", "123456"}}, inXML},
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
	for _, id := range []login.Identity{id, id, role} {
		err := failFetch(t, newSource(t, id, Options{}))
		found := named.FindStringSubmatch(err.Error())
		if found == nil || seen[found[1]] {
			t.Fatalf("no request id of its own in %v", err)
		}
		seen[found[1]] = true
	}
}

// TestAnAnswerOfManyFieldsIsRefused: to search for each of them would take minutes.
func TestAnAnswerOfManyFieldsIsRefused(t *testing.T) {
	for _, status := range []int{200, 400} {
		isolate(t)
		keys(t, "AKIA1", canary)
		f := newFake(t)
		f.set("GetAuthorizationToken", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			var b strings.Builder
			for i := range 50_000 {
				fmt.Fprintf(&b, `"token":"%06d",`, i)
			}
			fmt.Fprint(w, "{", b.String(), `"a":""}`)
		})
		if err := failFetch(t, newSource(t, f.id(), Options{})); err.Reason != fault.Invalid || !strings.Contains(err.Error(), "too many fields") {
			t.Errorf("%d: %s: %v", status, err.Reason, err)
		}
	}
}

// TestRolesOverACredentialProcess is the SDK's chain of profiles, which this package
// follows by itself where it ends in a credential_process.
func TestRolesOverACredentialProcess(t *testing.T) {
	dir := isolate(t)
	write(t, filepath.Join(dir, "config"), "[profile ci]\nrole_arn=arn:aws:iam::111122223333:role/outer\nsource_profile=middle\nmfa_serial=s-1\n"+
		"[profile middle]\nrole_arn=arn:aws:iam::111122223333:role/inner\nsource_profile=base\nexternal_id=ext\nrole_session_name=own\n"+
		"[profile base]\ncredential_process=echo '{\"Version\":1,\"AccessKeyId\":\"AKIAPROCESS\",\"SecretAccessKey\":\""+canary+"\"}'\n")
	f := newFake(t)
	id := f.id()
	id.Profile = "ci"
	if err := failFetch(t, newSource(t, id, Options{})); err.Reason != fault.Credentials || !strings.Contains(err.Hint, "aws.mfa.code_command") {
		t.Errorf("without a code: %s: %v (%s)", err.Reason, err, err.Hint)
	}
	id.MFACommand = []string{"echo", "123456"}
	mustFetch(t, newSource(t, id, Options{}))
	got := f.operations("AssumeRole")
	if len(got) != 2 || got[0].key != "AKIAPROCESS" || got[1].key != "ASIAAssumeRole1" {
		t.Fatalf("asked %v", got)
	}
	for i, parts := range [][]string{{"inner", "ExternalId=ext", "RoleSessionName=own"}, {"outer", "SerialNumber=s-1", "TokenCode=123456", "RoleSessionName=ecr-refreshd"}} {
		for _, part := range parts {
			if !strings.Contains(got[i].body, part) {
				t.Errorf("role %d: no %s in %s", i, part, got[i].body)
			}
		}
	}
}

// TestARedirectIsSaidAndNotFollowed: what is sent is signed for one host, or a secret.
func TestARedirectIsSaidAndNotFollowed(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	f.set("GetAuthorizationToken", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusTemporaryRedirect) })
	err := failFetch(t, newSource(t, f.id(), Options{}))
	if n := len(f.operations("GetAuthorizationToken")); n != 1 || err.Reason != fault.Invalid || !strings.Contains(err.Error(), "redirect (HTTP status 307)") {
		t.Errorf("%d requests, %s: %v", n, err.Reason, err)
	}
}

// TestAnEndpointMaySendBackWhatTheLastFetchGot: its next error is searched for that too.
func TestAnEndpointMaySendBackWhatTheLastFetchGot(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	s := newSource(t, f.id(), Options{})
	token := mustFetch(t, s)
	f.set("GetAuthorizationToken", refuse(400, "AccessDeniedException", "after "+encoded+" and "+token.Secret.Reveal()+" no more"))
	if err := failFetch(t, s); !strings.Contains(err.Error(), "after [redacted] and [redacted] no more") {
		t.Errorf("%v", err)
	}
}
