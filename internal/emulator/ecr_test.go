package emulator

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
)

func TestAuthorizationTokenLooksLikeTheRealOne(t *testing.T) {
	begin := time.Now()
	s := start(t, Options{Now: func() time.Time { return begin }})
	tests := []struct{ name, region, want string }{
		{"aws", "eu-west-1", "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"},
		{"aws-cn", "cn-north-1", "https://111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"},
		{"aws-us-gov", "us-gov-west-1", "https://111122223333.dkr.ecr.us-gov-west-1.amazonaws.com"},
		{"aws-iso", "us-iso-east-1", "https://111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := ecr.NewFromConfig(awsConfig(s, tt.region, static(DefaultPrincipal()))).GetAuthorizationToken(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.AuthorizationData) != 1 {
				t.Fatalf("%d answers, want 1", len(out.AuthorizationData))
			}
			data := out.AuthorizationData[0]
			if got := *data.ProxyEndpoint; got != tt.want {
				t.Errorf("proxy endpoint %q, want %q", got, tt.want)
			}
			want := begin.Add(12 * time.Hour)
			if off := want.Sub(*data.ExpiresAt).Abs(); off > time.Millisecond {
				t.Errorf("it expires at %v, want %v", data.ExpiresAt, want)
			}
			var inside struct {
				Payload, Datakey, Version, Type string
				Expiration                      int64
			}
			content, err := base64.StdEncoding.DecodeString(decodePassword(t, *data.AuthorizationToken))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(content, &inside); err != nil {
				t.Fatal(err)
			}
			if inside.Payload == "" || inside.Datakey == "" || inside.Version != "2" || inside.Type != "DATA_KEY" || inside.Expiration != want.Unix() {
				t.Errorf("the password holds %+v", inside)
			}
		})
	}
}

func TestPasswordsDifferAndGrow(t *testing.T) {
	d := newTokenDesk(0)
	now := time.Now()
	first, second := d.issue(token{}, now), d.issue(token{}, now)
	if first == second {
		t.Error("two tokens are alike")
	}
	var last string
	for range 50 {
		last = d.issue(token{}, now)
	}
	if len(last) <= len(first) {
		t.Errorf("lengths %d and %d: it does not grow", len(first), len(last))
	}
}

func TestDeniedActions(t *testing.T) {
	tests := []struct {
		name, denied        string
		wantECR, wantPublic string
		publicRegion        string
	}{
		{"nothing", "none", "", "", "us-east-1"},
		{"ecr", "ecr:GetAuthorizationToken", "AccessDeniedException", "", "us-east-1"},
		{"ecr-public", "ecr-public:GetAuthorizationToken", "", "AccessDeniedException", "us-east-1"},
		{"bearer token", "sts:GetServiceBearerToken", "", "AccessDeniedException", "us-east-1"},
		{"public elsewhere", "none", "", "SignatureDoesNotMatch", "eu-west-1"},
		{"identity cannot be denied", "sts:GetCallerIdentity", "", "", "us-east-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := DefaultPrincipal()
			p.Denied = []string{tt.denied}
			s := start(t, Options{Principals: []Principal{p}})
			_, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil)
			if got := code(err); got != tt.wantECR || (err == nil) != (tt.wantECR == "") {
				t.Errorf("ECR: %v, want %q", err, tt.wantECR)
			}
			_, err = ecrpublic.NewFromConfig(awsConfig(s, tt.publicRegion, static(p))).GetAuthorizationToken(t.Context(), nil)
			if got := code(err); got != tt.wantPublic || (err == nil) != (tt.wantPublic == "") {
				t.Errorf("ECR Public: %v, want %q", err, tt.wantPublic)
			}
			if _, err = stsClient(s, static(p)).GetCallerIdentity(t.Context(), nil); err != nil {
				t.Errorf("STS: %v", err)
			}
		})
	}
}

func TestCheckJudgesALogin(t *testing.T) {
	c := &clock{}
	s := start(t, Options{Now: c.now, TokenLife: time.Hour, Hosts: []string{"images.example", "alias.example=" + hostB}})
	private := password(t, s, region, static(DefaultPrincipal()))
	elsewhere := password(t, s, "us-east-1", static(DefaultPrincipal()))
	forPublic := publicPassword(t, s)
	tests := []struct {
		name, host, user, password string
		after                      time.Duration
		want                       int // status; 0: accepted
	}{
		{"own account", hostA, "AWS", private, 0, 0},
		{"own account, with port", hostA + ":443", "AWS", private, 0, 0},
		{"account that it opens", hostB, "AWS", private, 0, 0},
		{"FIPS name", accountA + ".dkr.ecr-fips.us-east-1.amazonaws.com", "AWS", elsewhere, 0, 0},
		{"dual-stack name", accountA + ".dkr-ecr." + region + ".on.aws", "AWS", private, 0, 0},
		{"further name", "images.example", "AWS", elsewhere, 0, 0},
		{"alias", "alias.example", "AWS", private, 0, 0},
		{"alias, other region", "alias.example", "AWS", elsewhere, 0, 400},
		{"account that it does not open", "999988887777.dkr.ecr." + region + ".amazonaws.com", "AWS", private, 0, 403},
		{"other region", hostA, "AWS", elsewhere, 0, 400},
		{"wrong password", hostA, "AWS", "x", 0, 400},
		{"wrong user", hostA, "root", private, 0, 401},
		{"public token at a private registry", hostA, "AWS", forPublic, 0, 400},
		{"public", public, "AWS", forPublic, 0, 0},
		{"private token at the public registry", public, "AWS", private, 0, 403},
		{"unknown token at the public registry", public, "AWS", "x", 0, 403},
		{"just before the end", hostA, "AWS", private, 59 * time.Minute, 0},
		{"after the end", hostA, "AWS", private, 61 * time.Minute, 403},
		{"after the end, public", public, "AWS", forPublic, 61 * time.Minute, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.advance(tt.after)
			defer c.advance(-tt.after)
			got := 0
			if no := s.tokens.judge(s.sites.find(tt.host), tt.user, tt.password, c.now()); no != nil {
				got = no.status
			}
			if got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
			if err := s.Check(tt.host, tt.user, tt.password); (err == nil) != (tt.want == 0) {
				t.Errorf("Check: %v", err)
			}
		})
	}
	if err := s.Check("docker.io", "AWS", private); err == nil {
		t.Error("a strange host accepts the login")
	}
	s.SetTokenLife(2 * time.Hour)
	longer := password(t, s, region, static(DefaultPrincipal()))
	c.advance(90 * time.Minute)
	if err := s.Check(hostA, "AWS", longer); err != nil {
		t.Errorf("SetTokenLife: %v", err)
	}
}
