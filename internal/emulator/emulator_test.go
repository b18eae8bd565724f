package emulator

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const (
	accountA = "111122223333"
	accountB = "444455556666"
	region   = "eu-west-1"
	hostA    = accountA + ".dkr.ecr." + region + ".amazonaws.com"
	hostB    = accountB + ".dkr.ecr." + region + ".amazonaws.com"
	public   = "public.ecr.aws"
)

// clock is a wall clock that a test sets forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// static gives the permanent credentials of p.
func static(p Principal) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(p.AccessKeyID, p.SecretAccessKey, "")
}

func awsConfig(s *Server, region string, creds aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(s.Endpoint()), Credentials: creds,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func ecrClient(s *Server) *ecr.Client {
	return ecr.NewFromConfig(awsConfig(s, region, static(DefaultPrincipal())))
}

func stsClient(s *Server, creds aws.CredentialsProvider) *sts.Client {
	return sts.NewFromConfig(awsConfig(s, "us-east-1", creds))
}

// password asks ECR for a token of a region.
func password(t *testing.T, s *Server, region string, creds aws.CredentialsProvider) string {
	t.Helper()
	out, err := ecr.NewFromConfig(awsConfig(s, region, creds)).GetAuthorizationToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return decodePassword(t, *out.AuthorizationData[0].AuthorizationToken)
}

func publicPassword(t *testing.T, s *Server) string {
	t.Helper()
	client := ecrpublic.NewFromConfig(awsConfig(s, "us-east-1", static(DefaultPrincipal())))
	out, err := client.GetAuthorizationToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return decodePassword(t, *out.AuthorizationData.AuthorizationToken)
}

func decodePassword(t *testing.T, encoded string) string {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(encoded)
	user, pass, ok := strings.Cut(string(plain), ":")
	if err != nil || !ok || user != "AWS" {
		t.Fatalf("the token is not base64 of AWS:PASSWORD: %v", err)
	}
	return pass
}

// code is the AWS error code of err, or "".
func code(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}

func TestStartRefusesNonsense(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"a principal without a secret", Options{Principals: []Principal{{AccessKeyID: "AK"}}}, "AK"},
		{"a role that is no ARN", Options{Roles: []Role{{ARN: "builder"}}}, "builder"},
		{"an ARN without a role", Options{Roles: []Role{{ARN: "arn:aws:iam::111122223333:root"}}}, "root"},
		{"an instance role that is no ARN", Options{InstanceRole: "node"}, "node"},
		{"a host that is aliased to a stranger", Options{Hosts: []string{"a.example=b.example"}}, "b.example"},
		{"a host without a name", Options{Hosts: []string{"=" + hostA}}, "empty"},
		{"an address that is none", Options{Addr: "nowhere"}, "nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Start(tt.o)
			if err == nil {
				s.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not name %q", err, tt.want)
			}
		})
	}
}

func TestCallsAreRecordedBeforeTheAnswer(t *testing.T) {
	heard := make(chan Call, 8)
	s := start(t, Options{OnCall: func(c Call) { heard <- c }})
	password(t, s, region, static(DefaultPrincipal()))
	publicPassword(t, s)
	want := []Call{
		{Service: "ecr", Operation: "GetAuthorizationToken", Region: region, Principal: DefaultPrincipal().AccessKeyID, Status: 200},
		{Service: "ecr-public", Operation: "GetAuthorizationToken", Region: "us-east-1", Principal: DefaultPrincipal().AccessKeyID, Status: 200},
	}
	got := s.Calls()
	if len(got) != len(want) {
		t.Fatalf("%d calls, want %d", len(got), len(want))
	}
	for i, c := range got {
		if c != <-heard {
			t.Errorf("OnCall heard of another call than the history holds at %d", i)
		}
		if c.At.IsZero() {
			t.Errorf("call %d has no time", i)
		}
		if c.At = (time.Time{}); c != want[i] {
			t.Errorf("call %d is %+v, want %+v", i, c, want[i])
		}
	}
	for op, want := range map[string]int{"": 2, "GetAuthorizationToken": 2, "ecr-public:GetAuthorizationToken": 1, "AssumeRole": 0} {
		if got := s.CallCount(op); got != want {
			t.Errorf("CallCount(%q) = %d, want %d", op, got, want)
		}
	}
}

func TestHistoryKeepsTheNewestAndCountsAll(t *testing.T) {
	var s Server
	for i := range keptCalls + 10 {
		s.history.add(Call{Service: "registry", Operation: "registry", Status: i})
	}
	calls := s.Calls()
	if len(calls) != keptCalls || calls[0].Status != 10 || calls[keptCalls-1].Status != keptCalls+9 {
		t.Errorf("%d calls from %d to %d", len(calls), calls[0].Status, calls[len(calls)-1].Status)
	}
	if got := s.CallCount("registry"); got != keptCalls+10 {
		t.Errorf("CallCount = %d, want %d", got, keptCalls+10)
	}
}

func TestLedgerForgetsWhatEndedLongAgo(t *testing.T) {
	l := newLedger[int, token]()
	begin := time.Unix(1e9, 0)
	l.put(-1, token{}, begin) // never ends
	for i := range 100_000 {
		now := begin.Add(time.Duration(i) * time.Minute)
		l.put(i, token{ends: now.Add(time.Minute)}, now)
	}
	const day = 24 * 60
	if len(l.entries) > 3*day {
		t.Errorf("%d entries are kept", len(l.entries))
	}
	if _, ok := l.get(99_999 - day + 5); !ok {
		t.Error("a token that ended within a day is forgotten")
	}
	if _, ok := l.get(-1); !ok {
		t.Error("an entry without end is forgotten")
	}
}

func TestCloseEndsWaitingHandlers(t *testing.T) {
	tests := []struct {
		name string
		body io.Reader // nil: none; one that does not end keeps net/http from seeing the client go
	}{
		{"after the request", nil},
		{"amid the request", endless{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entered := make(chan struct{}, 8)
			s := start(t, Options{Now: func() time.Time {
				entered <- struct{}{}
				return time.Now()
			}})
			s.Inject(Fault{Delay: 24 * time.Hour})
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.IMDSEndpoint()+"/latest/api/token", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := http.DefaultClient.Do(r)
				done <- err
			}()
			<-entered
			s.Close()
			if err := <-done; err == nil {
				t.Error("the call was answered")
			}
			if _, err := http.Get(s.Endpoint()); err == nil {
				t.Error("it still listens")
			}
		})
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestCloseWaitsForHandlers(t *testing.T) {
	var s *Server
	var finished atomic.Bool
	busy := make(chan struct{})
	s = start(t, Options{OnCall: func(Call) {
		close(busy)
		<-s.closing.Done()
		for range 10_000 {
			runtime.Gosched()
		}
		finished.Store(true)
	}})
	go func() { _, _ = http.Get(s.IMDSEndpoint()) }()
	<-busy
	s.Close()
	if !finished.Load() {
		t.Error("a handler outlived Close")
	}
}
