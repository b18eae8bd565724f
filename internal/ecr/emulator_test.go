package ecr

import (
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const (
	firstRole  = "arn:aws:iam::111122223333:role/first"
	secondRole = "arn:aws:iam::444455556666:role/second"
	device     = "arn:aws:iam::111122223333:mfa/build"
)

// start runs an emulator, which checks signatures, and gives the environment
// its user's keys.
func start(t *testing.T, o emulator.Options) (*emulator.Server, login.Identity) {
	t.Helper()
	isolate(t)
	server, err := emulator.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	who := emulator.DefaultPrincipal()
	if len(o.Principals) > 0 {
		who = o.Principals[0]
	}
	keys(t, who.AccessKeyID, who.SecretAccessKey)
	return server, login.Identity{EndpointURL: server.Endpoint(), STSEndpointURL: server.Endpoint()}
}

func TestTheRegistryTakesTheToken(t *testing.T) {
	server, id := start(t, emulator.Options{TokenLife: time.Hour})
	for _, public := range []bool{false, true} {
		s := New(id, "eu-west-1", public, Options{})
		token := mustFetch(t, s)
		host := token.Account + ".dkr.ecr.eu-west-1.amazonaws.com"
		if public {
			host = "public.ecr.aws"
		}
		if err := server.Check(host, token.Username, token.Secret.Reveal()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if life := token.ExpiresAt.Sub(token.ObtainedAt); life < 59*time.Minute || life > 61*time.Minute {
			t.Errorf("%s: life %v", host, life)
		}
	}
}

func TestRolesWithExternalIDAndMFA(t *testing.T) {
	roles := []emulator.Role{
		{ARN: firstRole, ExternalID: "ext", MFASerial: device, MFACode: "123456"},
		{ARN: secondRole, ExternalID: "ext", TrustedBy: []string{firstRole}},
	}
	code := []string{"echo", "123456"}
	chain := []string{firstRole, secondRole}
	tests := []struct {
		name   string
		id     login.Identity
		reason fault.Reason // empty: it works
	}{
		{"as it should be", login.Identity{RoleARNs: chain, ExternalID: "ext", MFASerial: device, MFACommand: code}, ""},
		{"another external id", login.Identity{RoleARNs: chain, ExternalID: "no", MFASerial: device, MFACommand: code}, fault.Denied},
		{"no external id", login.Identity{RoleARNs: chain, MFASerial: device, MFACommand: code}, fault.Denied},
		{"no mfa", login.Identity{RoleARNs: chain, ExternalID: "ext"}, fault.Denied},
		{"another code", login.Identity{RoleARNs: chain, ExternalID: "ext", MFASerial: device, MFACommand: []string{"echo", "654321"}}, fault.Denied},
		{"a link left out", login.Identity{RoleARNs: chain[1:], ExternalID: "ext"}, fault.Denied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, endpoints := start(t, emulator.Options{Roles: roles})
			tt.id.EndpointURL, tt.id.STSEndpointURL = endpoints.EndpointURL, endpoints.STSEndpointURL
			s := newSource(t, tt.id, Options{})
			if tt.reason == "" {
				if token := mustFetch(t, s); token.Account != "444455556666" || token.SessionEndsAt.IsZero() {
					t.Errorf("account %s, session ends at %v", token.Account, token.SessionEndsAt)
				}
				return
			}
			if err := failFetch(t, s); err.Reason != tt.reason || err.Hint == "" {
				t.Errorf("%s: %v (%s)", err.Reason, err, err.Hint)
			}
		})
	}
}

func TestRefusalsOfTheEmulator(t *testing.T) {
	who := emulator.DefaultPrincipal()
	who.Denied = []string{"ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"}
	server, id := start(t, emulator.Options{Principals: []emulator.Principal{who}})
	for _, public := range []bool{false, true} {
		s := New(id, "eu-west-1", public, Options{})
		if err := failFetch(t, s); err.Reason != fault.Denied {
			t.Errorf("public %v: %s: %v", public, err.Reason, err)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if err := failFetch(t, newSource(t, id, Options{})); err.Reason != fault.Denied {
		t.Errorf("a wrong secret: %s: %v", err.Reason, err)
	}
	server.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Drop: true})
	if err := failFetch(t, newSource(t, id, Options{})); err.Reason != fault.Network {
		t.Errorf("a dropped connection: %s: %v", err.Reason, err)
	}
}

func TestASessionThatEndsEarlyIsReplaced(t *testing.T) {
	server, id := start(t, emulator.Options{Roles: []emulator.Role{{ARN: firstRole}}})
	id.RoleARNs = []string{firstRole}
	s := newSource(t, id, Options{})
	server.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Times: 1, Status: 400, Code: "ExpiredTokenException", Message: "ended"})
	mustFetch(t, s)
	if n := server.CallCount("AssumeRole"); n != 2 {
		t.Errorf("the role was assumed %d times, want 2", n)
	}
}

func TestTheInstanceRoleOfTheEmulator(t *testing.T) {
	server, id := start(t, emulator.Options{InstanceRole: firstRole, Roles: []emulator.Role{{ARN: firstRole}}})
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.IMDSEndpoint())
	if token := mustFetch(t, newSource(t, id, Options{})); token.Account != "111122223333" || token.SessionEndsAt.IsZero() || token.Source == "" {
		t.Errorf("account %s, session ends at %v, credentials from %q", token.Account, token.SessionEndsAt, token.Source)
	}
}

func TestAWrongClockStillGetsTokens(t *testing.T) {
	for _, off := range []time.Duration{-30 * time.Hour, -20 * time.Minute, 3 * time.Hour} {
		server, id := start(t, emulator.Options{
			Roles: []emulator.Role{{ARN: firstRole}},
			Now:   func() time.Time { return time.Now().Add(off) },
		})
		id.RoleARNs = []string{firstRole}
		token := mustFetch(t, newSource(t, id, Options{}))
		if err := server.Check(token.Account+".dkr.ecr.us-east-1.amazonaws.com", token.Username, token.Secret.Reveal()); err != nil {
			t.Errorf("%v: %v", off, err)
		}
		if a, b := server.CallCount("AssumeRole"), server.CallCount("GetAuthorizationToken"); a != 2 || b != 2 {
			t.Errorf("%v: %d and %d calls, want a second of each", off, a, b)
		}
	}
}
