package ecr

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// TestEndpointHosts lets the SDK choose its endpoints and sees which hosts are
// really dialled: every connection is led to a TLS server on loopback.
func TestEndpointHosts(t *testing.T) {
	tests := []struct {
		name   string
		region string
		public bool
		id     login.Identity
		ecr    string
		sts    string
	}{
		{"plain", "eu-west-1", false, login.Identity{}, "api.ecr.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"},
		{"fips", "us-east-1", false, login.Identity{FIPS: true}, "api.ecr-fips.us-east-1.amazonaws.com", "sts-fips.us-east-1.amazonaws.com"},
		{"dual stack", "eu-west-1", false, login.Identity{DualStack: true}, "ecr.eu-west-1.api.aws", "sts.eu-west-1.api.aws"},
		{"fips and dual stack", "us-west-2", false, login.Identity{FIPS: true, DualStack: true}, "ecr-fips.us-west-2.api.aws", "sts-fips.us-west-2.api.aws"},
		{"china", "cn-north-1", false, login.Identity{}, "api.ecr.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn"},
		{"china, dual stack", "cn-north-1", false, login.Identity{DualStack: true}, "ecr.cn-north-1.api.amazonwebservices.com.cn", "sts.cn-north-1.api.amazonwebservices.com.cn"},
		{"govcloud", "us-gov-west-1", false, login.Identity{}, "api.ecr.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"},
		{"govcloud, fips", "us-gov-west-1", false, login.Identity{FIPS: true}, "api.ecr-fips.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"},
		{"european sovereign cloud", "eusc-de-east-1", false, login.Identity{}, "api.ecr.eusc-de-east-1.amazonaws.eu", "sts.eusc-de-east-1.amazonaws.eu"},
		{"public", "eu-west-1", true, login.Identity{}, "api.ecr-public.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"},
		{"public, dual stack", "", true, login.Identity{DualStack: true}, "ecr-public.us-east-1.api.aws", "sts.us-east-1.api.aws"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keys(t, "AKIA1", canary)
			f := newFake(t)
			server := httptest.NewTLSServer(f)
			t.Cleanup(server.Close)
			dialled := make(chan string, 10)
			clients := newClients(func(tr *http.Transport) {
				tr.Proxy = nil
				tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the server is ours, its name is not
				tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					dialled <- addr
					return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
				}
			})
			tt.id.RoleARNs = []string{"arn:aws:iam::111122223333:role/r"}
			s := New(tt.id, tt.region, tt.public, Options{Clients: clients})
			mustFetch(t, s)
			for _, want := range []string{tt.sts, tt.ecr} {
				if got := <-dialled; got != want+":443" {
					t.Errorf("dialled %s, want %s", got, want)
				}
			}
			if a, b := f.operations("AssumeRole")[0].host, f.operations("GetAuthorizationToken")[0].host; a != tt.sts || b != tt.ecr {
				t.Errorf("the hosts named in the requests are %s and %s", a, b)
			}
		})
	}
}

func TestIdentityNamesItself(t *testing.T) {
	tests := []struct {
		id   login.Identity
		want string
	}{
		{login.Identity{}, "default"},
		{login.Identity{Profile: "ci"}, "profile ci"},
		{login.Identity{RoleARNs: []string{"arn:a"}}, "role arn:a"},
		{login.Identity{Profile: "ci", RoleARNs: []string{"arn:a", "arn:b"}}, "role arn:b via role arn:a via profile ci"},
	}
	for _, tt := range tests {
		if got := tt.id.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	op := situation{id: login.Identity{Profile: "ci"}, region: "us-east-1"}.op()
	if op != `get ECR authorization token in us-east-1 as profile "ci"` {
		t.Errorf("op %s", op)
	}
}

func TestCABundleIsTaken(t *testing.T) {
	dir := isolate(t)
	keys(t, "AKIA1", canary)
	server := httptest.NewUnstartedServer(newFake(t))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s := newSource(t, login.Identity{EndpointURL: server.URL}, Options{})
	if err := failFetch(t, s); err.Reason != fault.Network || !strings.Contains(err.Hint, "AWS_CA_BUNDLE") {
		t.Errorf("an unknown authority: %s: %v (%s)", err.Reason, err, err.Hint)
	}
	bundle := filepath.Join(dir, "ca.pem")
	t.Setenv("AWS_CA_BUNDLE", bundle)
	if err := failFetch(t, s); err.Reason != fault.Local || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("no such bundle: %s: %v", err.Reason, err)
	}
	write(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	mustFetch(t, s)
}
