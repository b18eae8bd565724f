package emulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// toRegistry is a transport that trusts the emulator's CA and finds every host
// there.
func toRegistry(t *testing.T, s *Server) *http.Transport {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA()) {
		t.Fatal("CA is not a certificate")
	}
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.RegistryAddr())
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func fetch(t *testing.T, c *http.Client, r *http.Request) (status int, body string) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// client pushes and pulls one small image by host name.
type client struct {
	t       *testing.T
	options []remote.Option
	image   v1.Image
}

func newClient(t *testing.T, s *Server, user, password string) client {
	t.Helper()
	img, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	auth := authn.Anonymous
	if user != "" {
		auth = &authn.Basic{Username: user, Password: password}
	}
	once := remote.Backoff{Steps: 1, Duration: time.Millisecond}
	return client{t, []remote.Option{remote.WithTransport(toRegistry(t, s)), remote.WithAuth(auth), remote.WithContext(t.Context()), remote.WithRetryBackoff(once)}, img}
}

func (c client) reference(host string) name.Reference {
	c.t.Helper()
	ref, err := name.ParseReference(host + "/team/app:1")
	if err != nil {
		c.t.Fatal(err)
	}
	return ref
}

func (c client) push(host string) error {
	return remote.Write(c.reference(host), c.image, c.options...)
}

// pull reads every layer.
func (c client) pull(host string) error {
	img, err := remote.Image(c.reference(host), c.options...)
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// statusOf is the HTTP status of a registry's error; 0 for nil.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var no *transport.Error
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &no):
		t.Fatalf("not an answer of the registry: %v", err)
	}
	return no.StatusCode
}

func TestPrivateRegistry(t *testing.T) {
	c := &clock{}
	s := start(t, Options{Now: c.now, TokenLife: time.Hour})
	good := newClient(t, s, "AWS", password(t, s, region, static(DefaultPrincipal())))
	foreign := newClient(t, s, "AWS", password(t, s, "us-east-1", static(DefaultPrincipal())))
	nobody := newClient(t, s, "", "")
	if err := good.push(hostA); err != nil {
		t.Fatal(err)
	}
	if err := good.pull(hostA); err != nil {
		t.Fatal(err)
	}
	if err := good.pull(accountA + ".dkr-ecr." + region + ".on.aws"); err != nil {
		t.Errorf("by the dual-stack name: %v", err)
	}
	if got := statusOf(t, good.pull(hostB)); got != http.StatusNotFound {
		t.Errorf("the other account's registry answers %d, want 404", got)
	}
	if err := good.push(hostB); err != nil {
		t.Errorf("push to the other account: %v", err)
	}
	if got := statusOf(t, foreign.pull(hostA)); got != http.StatusBadRequest {
		t.Errorf("a token of another region gets %d, want 400", got)
	}
	if got := statusOf(t, nobody.pull(hostA)); got != http.StatusUnauthorized {
		t.Errorf("nobody gets %d, want 401", got)
	}
	c.advance(time.Hour)
	err := good.pull(hostA)
	if got := statusOf(t, err); got != http.StatusForbidden || !strings.Contains(err.Error(), "Your authorization token has expired. Reauthenticate and try again.") {
		t.Errorf("an expired token gets %v", err)
	}
	if got := statusOf(t, good.push(hostA)); got != http.StatusForbidden {
		t.Errorf("an expired token pushes with %d, want 403", got)
	}
}

func TestPublicRegistry(t *testing.T) {
	c := &clock{}
	s := start(t, Options{Now: c.now, TokenLife: 30 * time.Minute})
	user := newClient(t, s, "AWS", publicPassword(t, s))
	nobody := newClient(t, s, "", "")
	private := newClient(t, s, "AWS", password(t, s, region, static(DefaultPrincipal())))
	if got := statusOf(t, nobody.push(public)); got != http.StatusForbidden {
		t.Errorf("nobody pushes with %d, want 403", got)
	}
	if err := user.push(public); err != nil {
		t.Fatal(err)
	}
	if err := user.pull(public); err != nil {
		t.Error(err)
	}
	if err := nobody.pull(public); err != nil {
		t.Error(err)
	}
	if got := statusOf(t, private.pull(public)); got != http.StatusForbidden {
		t.Errorf("a private token gets %d, want 403", got)
	}
	c.advance(30 * time.Minute)
	if got := statusOf(t, user.pull(public)); got != http.StatusForbidden {
		t.Errorf("an expired login gets %d, want 403", got)
	}
	if err := nobody.pull(public); err != nil {
		t.Error(err)
	}
}

func TestBearerTokens(t *testing.T) {
	d := newBearerDesk()
	now := time.Now()
	good := d.issue(anonymous, now)
	tests := []struct {
		name, bearer string
		at           time.Time
		want         bool
	}{
		{"good", good, now, true},
		{"ended", good, now.Add(bearerLife + time.Second), false},
		{"promoted", strings.Replace(good, anonymous, loggedIn, 1), now, false},
		{"of another emulator", newBearerDesk().issue(loggedIn, now), now, false},
		{"empty", "", now, false},
		{"in parts", "a.b", now, false},
	}
	for _, tt := range tests {
		if _, ok := d.check(tt.bearer, tt.at); ok != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, ok, tt.want)
		}
	}
}

func FuzzBearer(f *testing.F) {
	d := newBearerDesk()
	f.Add("anonymous.1700000000.")
	f.Add("login.99999999999.AAAA")
	f.Fuzz(func(t *testing.T, bearer string) {
		if kind, ok := d.check(bearer, time.Unix(0, 0)); ok {
			t.Errorf("the forged %q is taken as %q", bearer, kind)
		}
	})
}

func TestRegistryAnswers(t *testing.T) {
	s := start(t, Options{Hosts: []string{"images.example", "mirror.example:5000=" + hostA, "open.example=*"}})
	tests := []struct {
		name, method, url, authorization string
		want                             int
		challenge                        string
	}{
		{"private", "GET", "https://" + hostA + "/v2/", "", 401, `Basic realm="https://` + hostA + `/",service="ecr.amazonaws.com"`},
		{"further name", "GET", "https://images.example/v2/", "", 401, `Basic realm="https://images.example/",service="ecr.amazonaws.com"`},
		{"alias with port", "GET", "https://mirror.example:5000/v2/", "", 401, `Basic realm="https://mirror.example:5000/",service="ecr.amazonaws.com"`},
		{"open", "GET", "https://open.example/v2/", "", 401, `Bearer realm="https://open.example/token/",service="open.example"`},
		{"open token, anonymous", "GET", "https://open.example/token/", "", 200, ""},
		{"open token, any login", "GET", "https://open.example/token/", "Basic QVdTOng=", 403, ""},
		{"not basic", "GET", "https://" + hostA + "/v2/", "Bearer x", 400, ""},
		{"malformed", "GET", "https://" + hostA + "/v2/", "Basic !", 400, ""},
		{"no token at a private registry", "GET", "https://" + hostA + "/token/", "", 404, ""},
		{"other path", "GET", "https://" + hostA + "/", "", 404, ""},
		{"public", "GET", "https://public.ecr.aws/v2/", "", 401, `Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"`},
		{"public, basic", "GET", "https://public.ecr.aws/v2/", "Basic QVdTOng=", 401, `Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"`},
		{"public token, anonymous", "GET", "https://public.ecr.aws/token/", "", 200, ""},
		{"public token, bad login", "GET", "https://public.ecr.aws/token/", "Basic QVdTOng=", 403, ""},
		{"public token, wrong user", "GET", "https://public.ecr.aws/token/", "Basic cm9vdDp4", 403, ""},
		{"public token, OAuth", "POST", "https://public.ecr.aws/token/", "", 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			resp, err := toRegistry(t, s).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Www-Authenticate"); resp.StatusCode != tt.want || got != tt.challenge {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, got, tt.want, tt.challenge)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	s := start(t, Options{Hosts: []string{"images.example", "127.0.0.9"}})
	for _, tt := range []struct {
		name string
		want bool
	}{
		{hostA, true},
		{"999988887777.dkr.ecr.cn-north-1.amazonaws.com.cn", true},
		{public, true},
		{"images.example", true},
		{"localhost", true},
		{"127.0.0.1", true},
		{"127.0.0.9", true},
		{"docker.io", false},
		{hostA + ".evil.com", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(s.CA())
			conn, err := tls.Dial("tcp", s.RegistryAddr(), &tls.Config{RootCAs: pool, ServerName: tt.name})
			if (err == nil) != tt.want {
				t.Errorf("handshake: %v", err)
			}
			if err == nil {
				conn.Close()
			}
		})
	}
}

func BenchmarkJudge(b *testing.B) {
	d := newTokenDesk(0)
	s, err := newSites(nil)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	pass := d.issue(token{region: region, accounts: []string{accountA}, ends: now.Add(time.Hour)}, now)
	for b.Loop() {
		if no := d.judge(s.find(hostA), tokenUser, pass, now); no != nil {
			b.Fatal(no)
		}
	}
}

func TestOneCertificateServesARegion(t *testing.T) {
	s := start(t, Options{})
	var made []*tls.Certificate
	for _, host := range []string{hostA, hostB, accountA + ".dkr.ecr.us-east-1.amazonaws.com"} {
		c, err := s.certificate(&tls.ClientHelloInfo{ServerName: host})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, c)
	}
	if made[0] != made[1] || made[0] == made[2] {
		t.Error("want one certificate for the accounts of a region, and another for another region")
	}
}
