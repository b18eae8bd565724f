package attacks

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/targets/engine"
)

// registryEchoes are what a registry has an engine say, as answers of the engine.
var registryEchoes = func() (all []struct{ name, answer string }) {
	for _, text := range []string{
		`Get \"https://HOST/v2/\": unauthorized: {}`,
		`login attempt to https://HOST/v2/ failed with status: 401 {}`,
		`Get \"https://HOST/v2/\": Get \"https://{}/token\": dial tcp: lookup {}: no such host`,
		`error parsing HTTP 404 response body: invalid character '<' looking for beginning of value: \"<p>{}\"`,
		`Get \"https://HOST/v2/\": tls: failed to verify certificate: x509: certificate is valid for {}, not HOST`,
		`Get \"https://HOST/v2/\": denied: Your authorization token has expired. {}`,
		`toomanyrequests: {}`,
		`authorization denied by plugin {}: {}`,
		`client version {} is too new. Maximum supported API version is {}`,
		`{}`,
	} {
		all = append(all, struct{ name, answer string }{"registry: " + text, "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n{\"message\":\"" + text + "\"}"})
	}
	return all
}()

// newEngine is a cloud at a Unix socket, too.
func newEngine(t testing.TB, network string) (c *cloud, host string) {
	t.Helper()
	c = newCloud(t)
	if network != "unix" {
		return c, "tcp://" + c.Listener.Addr().String()
	}
	dir, err := os.MkdirTemp("", "engine") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(c)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return c, "unix://" + path
}

// store attacks one request of a Store and returns what it says.
func store(t testing.TB, network, request string, a attack) (string, *cloud) {
	t.Helper()
	c, host := newEngine(t, network)
	token := login.Token{Username: "AWS", Secret: login.NewSecret(c.secret("password", 200)), ExpiresAt: time.Now().Add(time.Hour)}
	c.ledger.note("basic", token.Basic().Reveal())
	c.victim, c.attack = request, a
	target := engine.New(engine.Options{Host: host, Timeout: 5 * time.Second})
	err := target.Store(t.Context(), []login.Login{token.For(account + ".dkr.ecr.us-east-1.amazonaws.com"), token.For(goodHost)})
	if c.count(request) == 0 {
		t.Errorf("%s was not asked for: %v", request, err)
	}
	return said(err) + "\n" + target.String(), c
}

// TestNoEchoOfAnEngineIsShown is TestNoEchoIsShown for engines, and registries
// behind them.
func TestNoEchoOfAnEngineIsShown(t *testing.T) {
	silence(t)
	for _, network := range []string{"unix", "tcp"} {
		for _, request := range []string{askPing, askLogin} {
			t.Run(network+"/"+request, func(t *testing.T) {
				answers := echoes
				if request == askLogin {
					answers = append(registryEchoes, echoes...)
				}
				report := newReport()
				var (
					mu      sync.Mutex
					running sync.WaitGroup
					places  = make(chan struct{}, 16) // an engine that fails is asked again after half a second
				)
				for i, echo := range answers {
					for j, e := range encodings {
						if (j > 0 || *ways == "few") && leftOut(i+j, 6) {
							continue
						}
						places <- struct{}{}
						running.Go(func() {
							defer func() { <-places }()
							said, c := store(t, network, request, attack{echo.answer, e.encode, i + j})
							found := c.ledger.search(said)
							mu.Lock()
							defer mu.Unlock()
							report.add(echo.name, e.name, found)
						})
					}
				}
				running.Wait()
				report.fail(t)
			})
		}
	}
}
