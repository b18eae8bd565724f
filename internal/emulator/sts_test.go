package emulator

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	roleB = "arn:aws:iam::444455556666:role/ci/puller"
	roleC = "arn:aws:iam::999988887777:role/deep"
)

// assume gives the credentials of a role, with the SDK's own provider.
func assume(s *Server, with aws.CredentialsProvider, role string, set ...func(*stscreds.AssumeRoleOptions)) aws.CredentialsProvider {
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(stsClient(s, with), role, append([]func(*stscreds.AssumeRoleOptions){
		func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "test" },
	}, set...)...))
}

func TestChainedRoles(t *testing.T) {
	s := start(t, Options{Roles: []Role{
		{ARN: roleB, TrustedBy: []string{DefaultPrincipal().AccessKeyID}},
		{ARN: roleC, TrustedBy: []string{roleB}, Opens: []string{accountA}},
	}})
	first := assume(s, static(DefaultPrincipal()), roleB)
	second := assume(s, first, roleC)
	who, err := stsClient(s, second).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *who.Arn, "arn:aws:sts::999988887777:assumed-role/deep/test"; got != want || *who.Account != "999988887777" {
		t.Errorf("the identity is %q in %q, want %q", got, *who.Account, want)
	}
	pass := password(t, s, region, second)
	if err := s.Check(hostA, "AWS", pass); err != nil {
		t.Error(err)
	}
	if err := s.Check(hostB, "AWS", pass); err == nil {
		t.Error("the role's token opens a registry that the role may not use")
	}
}

func TestAssumeRoleConditions(t *testing.T) {
	user := DefaultPrincipal()
	stranger := Principal{AccessKeyID: "AKIASTRANGER", SecretAccessKey: "s", Account: accountA}
	denied := Principal{AccessKeyID: "AKIADENIED", SecretAccessKey: "s", Account: accountA, Denied: []string{"sts:AssumeRole"}}
	const mfa = "arn:aws:iam::111122223333:mfa/phone"
	roles := map[string]Role{
		"open":     {},
		"trusting": {TrustedBy: []string{user.AccessKeyID}},
		"external": {ExternalID: "shared"},
		"mfa":      {MFASerial: mfa, MFACode: "123456"},
		"any code": {MFASerial: mfa},
	}
	tests := []struct {
		name string
		role string
		as   Principal
		set  func(*stscreds.AssumeRoleOptions)
		want string // the code, or part of the message
	}{
		{"anyone", "open", stranger, nil, ""},
		{"trusted", "trusting", user, nil, ""},
		{"not trusted", "trusting", stranger, nil, "AccessDenied"},
		{"action denied", "open", denied, nil, "AccessDenied"},
		{"no such role", "missing", user, nil, "AccessDenied"},
		{"external id", "external", user, func(o *stscreds.AssumeRoleOptions) { o.ExternalID = aws.String("shared") }, ""},
		{"wrong external id", "external", user, func(o *stscreds.AssumeRoleOptions) { o.ExternalID = aws.String("x") }, "AccessDenied"},
		{"no external id", "external", user, nil, "AccessDenied"},
		{"MFA", "mfa", user, withMFA(mfa, "123456"), ""},
		{"wrong MFA code", "mfa", user, withMFA(mfa, "654321"), "one time pass code"},
		{"wrong MFA serial", "mfa", user, withMFA("other", "123456"), "AccessDenied"},
		{"no MFA", "mfa", user, nil, "AccessDenied"},
		{"any MFA code", "any code", user, withMFA(mfa, "000000"), ""},
		{"session name", "open", user, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "no spaces" }, "ValidationError"},
		{"too short", "open", user, func(o *stscreds.AssumeRoleOptions) { o.Duration = time.Minute }, "ValidationError"},
		{"too long", "open", user, func(o *stscreds.AssumeRoleOptions) { o.Duration = 13 * time.Hour }, "ValidationError"},
	}
	o := Options{Principals: []Principal{user, stranger, denied}}
	arn := func(name string) string {
		return "arn:aws:iam::444455556666:role/" + strings.ReplaceAll(name, " ", "-")
	}
	for name, r := range roles {
		r.ARN = arn(name)
		o.Roles = append(o.Roles, r)
	}
	s := start(t, o)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.set == nil {
				tt.set = func(*stscreds.AssumeRoleOptions) {}
			}
			_, err := assume(s, static(tt.as), arn(tt.role), tt.set).Retrieve(t.Context())
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func withMFA(serial, code string) func(*stscreds.AssumeRoleOptions) {
	return func(o *stscreds.AssumeRoleOptions) {
		o.SerialNumber = aws.String(serial)
		o.TokenProvider = func() (string, error) { return code, nil }
	}
}

func TestSessionsEnd(t *testing.T) {
	tests := []struct {
		name string
		life time.Duration // of the role's sessions
		asks time.Duration
		want time.Duration
	}{
		{"as asked for", 0, 20 * time.Minute, 20 * time.Minute},
		{"as the role says", 10 * time.Second, 20 * time.Minute, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{}
			s := start(t, Options{Now: c.now, Roles: []Role{{ARN: roleB, SessionLife: tt.life}}})
			creds := assume(s, static(DefaultPrincipal()), roleB, func(o *stscreds.AssumeRoleOptions) { o.Duration = tt.asks })
			got, err := creds.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if off := (time.Until(got.Expires) - tt.want).Abs(); off > time.Minute {
				t.Errorf("the session ends at %v", got.Expires)
			}
			client := ecr.NewFromConfig(awsConfig(s, region, held(got)))
			if _, err := client.GetAuthorizationToken(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			c.advance(tt.want + time.Second)
			// The first call in the new time teaches the SDK the emulator's clock.
			_, _ = client.GetAuthorizationToken(t.Context(), nil)
			_, err = client.GetAuthorizationToken(t.Context(), nil)
			if code(err) != "ExpiredTokenException" {
				t.Errorf("after the session's end: %v", err)
			}
		})
	}
}

// held gives credentials that the SDK does not know the end of.
func held(c aws.Credentials) aws.CredentialsProvider {
	c.CanExpire = false
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

func TestChainedSessionIsAnHourAtMost(t *testing.T) {
	s := start(t, Options{Roles: []Role{{ARN: roleB}, {ARN: roleC}}})
	long := func(o *stscreds.AssumeRoleOptions) { o.Duration = 2 * time.Hour }
	first := assume(s, static(DefaultPrincipal()), roleB, long)
	if _, err := first.Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := assume(s, first, roleC, long).Retrieve(t.Context())
	if code(err) != "ValidationError" {
		t.Errorf("%v, want ValidationError", err)
	}
}

func TestUnknownSTSAction(t *testing.T) {
	s := start(t, Options{})
	_, err := stsClient(s, static(DefaultPrincipal())).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if code(err) != "InvalidAction" {
		t.Errorf("%v, want InvalidAction", err)
	}
}
