package emulator

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func imdsClient(s *Server) *imds.Client {
	return imds.New(imds.Options{Endpoint: s.IMDSEndpoint(), Retryer: aws.NopRetryer{}, EnableFallback: aws.FalseTernary})
}

func TestInstanceRole(t *testing.T) {
	c := &clock{}
	s := start(t, Options{Now: c.now, InstanceRole: roleB, InstanceRegion: "eu-central-1", Roles: []Role{{ARN: roleB, Opens: []string{accountA}}}})
	client := imdsClient(s)
	where, err := client.GetRegion(t.Context(), nil)
	if err != nil || where.Region != "eu-central-1" {
		t.Errorf("the region is %+v, %v", where, err)
	}
	document, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	if err != nil || document.AccountID != accountB {
		t.Errorf("the document is %+v, %v", document, err)
	}
	if _, err := client.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "placement/region"}); err != nil {
		t.Error(err)
	}
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client })
	first, err := provider.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pass := password(t, s, region, held(first))
	if err := s.Check(hostA, "AWS", pass); err != nil {
		t.Error(err)
	}
	again, err := provider.Retrieve(t.Context())
	if err != nil || again.AccessKeyID != first.AccessKeyID {
		t.Errorf("a fresh session was replaced: %v", err)
	}
	c.advance(31 * time.Minute)
	// A client again, because the old one's metadata session has ended too.
	provider = ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imdsClient(s) })
	later, err := provider.Retrieve(t.Context())
	if err != nil || later.AccessKeyID == first.AccessKeyID {
		t.Errorf("a half-used session was not replaced: %v", err)
	}
}

func TestInstanceWithoutRole(t *testing.T) {
	s := start(t, Options{})
	_, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imdsClient(s) }).Retrieve(t.Context())
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != http.StatusNotFound {
		t.Errorf("%v, want 404", err)
	}
}

func TestIMDSWantsASession(t *testing.T) {
	c := &clock{}
	s := start(t, Options{Now: c.now, InstanceRole: roleB})
	ask := func(method, path, header, value string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.IMDSEndpoint()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		return fetch(t, http.DefaultClient, r)
	}
	const session, region = "/latest/api/token", "/latest/meta-data/placement/region"
	_, good := ask(http.MethodPut, session, imdsTTL, "60")
	tests := []struct {
		name, method, path, header, value string
		after                             time.Duration
		want                              int
	}{
		{"good", http.MethodGet, region, imdsToken, good, 0, 200},
		{"without a session", http.MethodGet, region, "X-Other", "x", 0, 401},
		{"unknown session", http.MethodGet, region, imdsToken, "x", 0, 401},
		{"ended session", http.MethodGet, region, imdsToken, good, time.Minute, 401},
		{"not GET", http.MethodPut, region, imdsToken, good, 0, 405},
		{"unknown path", http.MethodGet, "/latest/user-data", imdsToken, good, 0, 404},
		{"unknown role", http.MethodGet, imdsCredentials + "other", imdsToken, good, 0, 404},
		{"session by GET", http.MethodGet, session, imdsTTL, "60", 0, 405},
		{"session without life", http.MethodPut, session, "X-Other", "x", 0, 400},
		{"session too long", http.MethodPut, session, imdsTTL, "21601", 0, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.advance(tt.after)
			defer c.advance(-tt.after)
			if got, body := ask(tt.method, tt.path, tt.header, tt.value); got != tt.want {
				t.Errorf("%d %s, want %d", got, body, tt.want)
			}
		})
	}
}
