package ecr

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

func TestFetchGivesTheToken(t *testing.T) {
	tests := []struct {
		name    string
		public  bool
		account string
	}{
		{"ECR", false, "111122223333"},
		{"ECR Public", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			s := New(f.id(), "us-east-1", tt.public, Options{})
			before := time.Now()
			token := mustFetch(t, s)
			if token.Username != "AWS" || token.Secret.Reveal() != canary+":with:colons" || token.Account != tt.account {
				t.Errorf("user %q, account %q, or the password is wrong", token.Username, token.Account)
			}
			if !token.ExpiresAt.Equal(expiry) || !token.SessionEndsAt.IsZero() {
				t.Errorf("expires at %v, session ends at %v", token.ExpiresAt, token.SessionEndsAt)
			}
			if token.ObtainedAt.Before(before) || token.ObtainedAt.After(time.Now()) || token.ObtainedAt == token.ObtainedAt.Round(0) {
				t.Errorf("obtained at %v: want a reading of the clock before the call, monotonic part and all", token.ObtainedAt)
			}
			if got := f.operations("GetAuthorizationToken"); len(got) != 1 || strings.Contains(got[0].body, "registryIds") {
				t.Errorf("asked %v", got)
			}
		})
	}
}

func TestEnvironmentEndpointsKeepWorking(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			t.Setenv(name, f.URL)
			mustFetch(t, newSource(t, login.Identity{}, Options{}))
		})
	}
}

func TestKeysInAFileAreReadAnew(t *testing.T) {
	dir := isolate(t)
	f := newFake(t)
	id := f.id()
	id.Profile = "ci"
	s := newSource(t, id, Options{})

	missing := failFetch(t, s)
	if missing.Reason != fault.Credentials || !strings.Contains(missing.Error(), `no profile "ci"`) ||
		!strings.Contains(missing.Error(), filepath.Join(dir, "credentials")) {
		t.Errorf("%s: %v", missing.Reason, missing)
	}
	for _, key := range []string{"AKIAFIRST", "AKIASECOND"} {
		write(t, filepath.Join(dir, "credentials"), "[ci]\naws_access_key_id="+key+"\naws_secret_access_key="+canary+"\n")
		mustFetch(t, s)
	}
	got := f.operations("GetAuthorizationToken")
	if len(got) != 2 || got[0].key != "AKIAFIRST" || got[1].key != "AKIASECOND" {
		t.Errorf("asked %v", got)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	dir := isolate(t)
	file := filepath.Join(dir, "plain")
	write(t, file, "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(file, "credentials"))
	if err := failFetch(t, newSource(t, login.Identity{Profile: "ci"}, Options{})); !strings.Contains(err.Error(), "(not a directory)") {
		t.Errorf("%v", err)
	}
}

func TestRoleChain(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	id := f.id()
	id.RoleARNs = []string{"arn:aws:iam::111122223333:role/first", "arn:aws:iam::444455556666:role/second"}
	id.ExternalID = "ext"
	token := mustFetch(t, newSource(t, id, Options{}))
	got := f.operations("AssumeRole")
	if len(got) != 2 || got[0].key != "AKIA1" || got[1].key != "ASIAAssumeRole1" {
		t.Fatalf("asked %v", got)
	}
	for i, a := range got {
		for _, part := range []string{"ExternalId=ext", "RoleSessionName=ecr-refreshd", "DurationSeconds=3600", []string{"first", "second"}[i]} {
			if !strings.Contains(a.body, part) {
				t.Errorf("role %d: no %s in %s", i, part, a.body)
			}
		}
	}
	if call := f.operations("GetAuthorizationToken")[0]; call.key != "ASIAAssumeRole2" || call.session != canary {
		t.Errorf("the token was asked for as %v", call)
	}
	if life := token.SessionEndsAt.Sub(token.ObtainedAt); life < 50*time.Minute || life > time.Hour+time.Second {
		t.Errorf("the session ends after %v", life)
	}
}

func TestExpiredCredentialsAreReplacedOnce(t *testing.T) {
	for _, code := range []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"} {
		t.Run(code, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			id := f.id()
			id.RoleARNs = []string{"arn:aws:iam::111122223333:role/r"}
			s := newSource(t, id, Options{})
			mustFetch(t, s)
			mustFetch(t, s)
			if n := len(f.operations("AssumeRole")); n != 1 {
				t.Fatalf("the session was opened %d times for two fetches", n)
			}
			f.set("GetAuthorizationToken", refuse(400, code, "The security token included in the request is expired"))
			if err := failFetch(t, s); err.Reason != fault.Credentials {
				t.Errorf("%s: %v", err.Reason, err)
			}
			if n := len(f.operations("AssumeRole")); n != 2 {
				t.Errorf("the session was opened %d times, want once more and no more", n)
			}
			if n := len(f.operations("GetAuthorizationToken")); n != 4 {
				t.Errorf("%d calls, want 2 good ones and 2", n)
			}
			f.set("GetAuthorizationToken", nil)
			mustFetch(t, s)
		})
	}
}

func TestADeniedSessionIsNotKept(t *testing.T) {
	tests := []struct {
		name   string
		code   string
		serial string
		want   int // sessions opened by two fetches
	}{
		{"denied", "AccessDeniedException", "", 2},
		{"denied, with MFA", "AccessDeniedException", "s-1", 1},
		{"throttled", "ThrottlingException", "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			id := f.id()
			id.RoleARNs = []string{"arn:aws:iam::111122223333:role/r"}
			id.MFASerial, id.MFACommand = tt.serial, []string{"echo", "123456"}
			s := newSource(t, id, Options{})
			f.set("GetAuthorizationToken", refuse(400, tt.code, "no"))
			failFetch(t, s)
			f.set("GetAuthorizationToken", nil)
			mustFetch(t, s)
			if n := len(f.operations("AssumeRole")); n != tt.want {
				t.Errorf("the role was assumed %d times, want %d", n, tt.want)
			}
		})
	}
}

func TestNoRetriesOfTheSDK(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	f := newFake(t)
	f.set("GetAuthorizationToken", refuse(500, "ServerException", "x"))
	f.set("AssumeRole", refuseXML(503, "ServiceUnavailable", "x"))
	failFetch(t, newSource(t, f.id(), Options{}))
	id := f.id()
	id.RoleARNs = []string{"arn:aws:iam::111122223333:role/r"}
	failFetch(t, newSource(t, id, Options{}))
	if a, b := len(f.operations("GetAuthorizationToken")), len(f.operations("AssumeRole")); a != 1 || b != 1 {
		t.Errorf("%d and %d attempts, want 1 each", a, b)
	}
}

func TestAnAttemptIsBounded(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	f.set("GetAuthorizationToken", hang)
	f.set("AssumeRole", hang)
	for _, roles := range [][]string{nil, {"arn:aws:iam::111122223333:role/r"}} {
		id := f.id()
		id.RoleARNs = roles
		err := failFetch(t, newSource(t, id, Options{Timeout: 50 * time.Millisecond}))
		if err.Reason != fault.Network || !strings.Contains(err.Error(), "no answer within 50ms") || err.Hint == "" {
			t.Errorf("%s: %v", err.Reason, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := newSource(t, id, Options{}).Fetch(ctx); !fault.Has(err, fault.Network) || !strings.Contains(err.Error(), "called off") {
			t.Errorf("called off: %v", err)
		}
	}
}
