package emulator

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

func TestErrorFaults(t *testing.T) {
	s := start(t, Options{})
	tests := []struct {
		name       string
		fault      Fault
		wantStatus int
		wantCode   string
	}{
		{"throttled", Fault{Operation: "GetAuthorizationToken", Status: 400, Code: "ThrottlingException", Message: "Rate exceeded"}, 400, "ThrottlingException"},
		{"by service", Fault{Operation: "ecr:GetAuthorizationToken", Status: 503, Code: "ServerException"}, 503, "ServerException"},
		{"any operation, code alone", Fault{Code: "ServerException"}, 400, "ServerException"},
		{"in this region", Fault{Region: region, Status: 500, Code: "X"}, 500, "X"},
		{"delayed", Fault{Delay: time.Millisecond, Status: 429, Code: "TooManyRequestsException"}, 429, "TooManyRequestsException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clear := s.Inject(tt.fault)
			_, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil)
			var answer *awshttp.ResponseError
			if !errors.As(err, &answer) || answer.HTTPStatusCode() != tt.wantStatus || code(err) != tt.wantCode {
				t.Errorf("%v, want %d %s", err, tt.wantStatus, tt.wantCode)
			}
			calls := s.Calls()
			if last := calls[len(calls)-1]; last.Status != tt.wantStatus || last.Code != tt.wantCode {
				t.Errorf("the call is recorded as %+v", last)
			}
			clear()
			clear()
			if _, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil); err != nil {
				t.Errorf("after clearing: %v", err)
			}
		})
	}
}

func TestFaultsElsewhereDoNotHit(t *testing.T) {
	s := start(t, Options{})
	for _, f := range []Fault{
		{Operation: "AssumeRole", Drop: true}, {Operation: "ecr-public:GetAuthorizationToken", Drop: true},
		{Operation: "registry", Drop: true}, {Region: "us-west-2", Drop: true},
	} {
		s.Inject(f)
	}
	if _, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestFaultThatIsUsedUpLeavesTheOthers(t *testing.T) {
	s := start(t, Options{})
	s.Inject(Fault{Operation: "GetAuthorizationToken", Times: 1, Status: 400, Code: "First"})
	s.Inject(Fault{Operation: "GetAuthorizationToken", Status: 400, Code: "Second"})
	for _, want := range []string{"First", "Second", "Second"} {
		if _, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil); code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestSTSFaultIsXML(t *testing.T) {
	s := start(t, Options{})
	s.Inject(Fault{Operation: "GetCallerIdentity", Status: 503, Code: "ServiceUnavailable"})
	_, err := stsClient(s, static(DefaultPrincipal())).GetCallerIdentity(t.Context(), nil)
	if code(err) != "ServiceUnavailable" {
		t.Error(err)
	}
}

func TestDropCutsTheConnection(t *testing.T) {
	s := start(t, Options{})
	s.Inject(Fault{Drop: true, Times: 1})
	_, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil)
	var answer *awshttp.ResponseError
	if err == nil || errors.As(err, &answer) && answer.Response != nil && answer.HTTPStatusCode() != 0 {
		t.Errorf("%v, want a connection that ends without an answer", err)
	}
	if calls := s.Calls(); len(calls) != 1 || calls[0].Status != 0 {
		t.Errorf("the calls are %+v", calls)
	}
}

func TestReportedExpiry(t *testing.T) {
	s := start(t, Options{})
	for _, d := range []time.Duration{-time.Hour, 0, time.Minute, 200 * 365 * 24 * time.Hour} {
		t.Run(d.String(), func(t *testing.T) {
			defer s.Inject(Fault{ExpiresIn: &d})()
			before := time.Now()
			out, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			data := out.AuthorizationData[0]
			if got := *data.ExpiresAt; got.Before(before.Add(d-time.Second)) || got.After(time.Now().Add(d+time.Second)) {
				t.Errorf("it says %v, want %v from now", got, d)
			}
			if err := s.Check(hostA, "AWS", decodePassword(t, *data.AuthorizationToken)); err != nil {
				t.Errorf("the token itself does not live: %v", err)
			}
		})
	}
}

func TestBodyFault(t *testing.T) {
	s := start(t, Options{})
	s.Inject(Fault{Body: `{"authorizationData":[]}`, Times: 1})
	out, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil)
	if err != nil || len(out.AuthorizationData) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	s.Inject(Fault{Body: `<html>`, Times: 1})
	if _, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil); err == nil {
		t.Error("the SDK reads HTML")
	}
}

func TestDelayHonoursTheClientGoingAway(t *testing.T) {
	heard := make(chan Call, 1)
	entered := make(chan struct{}, 8)
	s := start(t, Options{OnCall: func(c Call) { heard <- c }, Now: func() time.Time {
		entered <- struct{}{}
		return time.Now()
	}})
	s.Inject(Fault{Delay: 24 * time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	if _, err := ecrClient(s).GetAuthorizationToken(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	if c := <-heard; c.Status != 0 { // the handler has ended; else the test times out
		t.Errorf("the call is recorded as %+v", c)
	}
}

func TestFaultsApplyInOrder(t *testing.T) {
	call := Call{Service: "ecr", Operation: "GetAuthorizationToken", Region: region}
	tests := []struct {
		name string
		list []Fault
		want []Fault // what successive calls get
	}{
		{"none", nil, []Fault{{}}},
		{"used up", []Fault{{Drop: true, Times: 2}}, []Fault{{Drop: true, Times: 2}, {Drop: true, Times: 2}, {}}},
		{"first come", []Fault{{Code: "A", Times: 1}, {Code: "B", Times: 1}}, []Fault{{Code: "A", Times: 1}, {Code: "B", Times: 1}, {}}},
		{"delays add up to what follows", []Fault{{Delay: 1, Times: 1}, {Delay: 2, Code: "A"}, {Delay: 4}}, []Fault{{Delay: 3, Code: "A"}, {Delay: 2, Code: "A"}}},
		{"delays alone", []Fault{{Delay: 1}, {Delay: 2, Times: 1}}, []Fault{{Delay: 3}, {Delay: 1}}},
		{"for others", []Fault{{Region: "x", Drop: true}, {Operation: "AssumeRole", Drop: true}}, []Fault{{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l faults
			for _, f := range tt.list {
				l.add(f)
			}
			for i, want := range tt.want {
				if got := l.take(call); got != want {
					t.Errorf("call %d gets %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

func TestRegistryFault(t *testing.T) {
	s := start(t, Options{})
	pass := password(t, s, region, static(DefaultPrincipal()))
	for _, tt := range []struct {
		name  string
		fault Fault
		want  int
	}{
		{"none", Fault{Operation: "GetAuthorizationToken", Status: 500}, 200},
		{"unavailable", Fault{Operation: "registry", Status: 503, Code: "UNAVAILABLE", Message: "try later"}, 503},
		{"in the registry's region", Fault{Operation: "registry", Region: region, Status: 404, Code: "NAME_UNKNOWN"}, 404},
		{"in another region", Fault{Operation: "registry", Region: "us-east-1", Status: 404}, 200},
		{"refused", Fault{Operation: "registry", Status: 401, Code: "UNAUTHORIZED"}, 401},
		{"other body", Fault{Operation: "registry", Status: 502, Body: "<html>"}, 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer s.Inject(tt.fault)()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+hostA+"/v2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth("AWS", pass)
			got, body := fetch(t, &http.Client{Transport: toRegistry(t, s)}, r)
			if got != tt.want || !strings.Contains(body, tt.fault.Code) && tt.want != 200 {
				t.Errorf("%d %s, want %d", got, body, tt.want)
			}
		})
	}
}
