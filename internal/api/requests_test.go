package api

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
)

func TestRequestsAndTheirAnswers(t *testing.T) {
	const credentials = pathCredentials + "/"
	plain := map[string]string{"Accept": "text/plain"}
	whole, err := json.Marshal(credential{goodHost, "AWS", canary})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, method, path string
		header             map[string]string
		code               int
		want               string // in the body
	}{
		{"a login", "GET", credentials + goodHost, nil, 200, string(whole)},
		{"a login for the helper", "GET", credentials + goodHost, plain, 200, string(whole)},
		{"a login, in capitals", "GET", credentials + strings.ToUpper(goodHost), nil, 200, string(whole)},
		{"a foreign host", "GET", credentials + foreignHost, nil, 404,
			`{"error":{"reason":"local","message":"\"docker.io\" is not a host of the configuration","hint":"add its registry`},
		{"a foreign host in a line", "GET", credentials + foreignHost, plain, 404, `"docker.io" is not a host of the configuration; add its registry`},
		{"a host with a port", "GET", credentials + "images.example.cn:5000", nil, 404, "images.example.cn:5000"},
		{"no valid token", "GET", credentials + brokenHost, nil, 503,
			`{"error":{"reason":"denied","message":"get authorization token: unexpected EOF","hint":"allow ecr:GetAuthorizationToken to the role"}}`},
		{"no valid token in a line", "GET", credentials + brokenHost, plain, 503,
			"get authorization token: unexpected EOF; allow ecr:GetAuthorizationToken to the role\n"},
		{"all logins", "GET", pathCredentials, nil, 200, `{"` + goodHost + `":"AWS"}`},
		{"a wait that is none", "GET", credentials + goodHost + "?wait=10", nil, 400, "wait=10s"},
		{"a wait that is over", "GET", credentials + goodHost + "?wait=-1s", nil, 400, "wait=10s"},
		{"a wait that is none, for all", "GET", pathCredentials + "?wait=soon", nil, 400, "wait=10s"},
		{"an absurd host", "GET", credentials + "a%20b", nil, 400, "invalid"},
		{"a host with a path", "GET", credentials + goodHost + "%2F..", nil, 400, "invalid"},
		{"a host that never ends", "GET", credentials + strings.Repeat("a", 300), nil, 400, "invalid"},
		{"a NUL", "GET", credentials + "a%00b", nil, 400, "invalid"},
		{"no host", "GET", credentials, nil, 404, "no such path"},
		{"two slashes", "GET", "//v1/status", nil, 404, "no such path"},
		{"a way around", "GET", "/v1/x/../status", nil, 404, "no such path"},
		{"a trailing slash", "GET", "/v1/status/", nil, 404, "no such path"},
		{"nothing", "GET", "/", nil, 404, "no such path"},
		{"the whole server", "OPTIONS", "*", nil, 404, "no such path"},
		{"another method", "DELETE", credentials + goodHost, nil, 405, "use GET, HEAD"},
		{"a GET that would change something", "GET", pathRefresh, nil, 405, "use POST"},
		{"a tunnel", "CONNECT", "localhost:80", nil, 404, "no such path"},
		{"another site's name", "GET", "http://evil.example/v1/status", nil, 200, `"registries"`},
		{"a body", "POST", pathRefresh, map[string]string{"Content-Length": "1000000"}, 413, "body"},
		{"a body in chunks", "GET", pathStatus, map[string]string{"Transfer-Encoding": "chunked"}, 413, "body"},
		{"a body that asks first", "POST", pathRefresh, map[string]string{"Content-Length": "5", "Expect": "100-continue"}, 413, "body"},
		{"the status", "GET", pathStatus, nil, 200, `"registries":null`},
		{"a path for those who watch", "GET", pathHealth, nil, 200, "ok"},
		{"another method there", "POST", pathHealth, nil, 405, "use GET, HEAD"},
	}
	b := newBed(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := b.ask(t, tt.method, tt.path, tt.header)
			if got.code != tt.code || !strings.Contains(got.body, tt.want) {
				t.Errorf("got %d %q", got.code, got.body)
			}
			if tt.code != 200 && strings.Contains(got.body, "canary") {
				t.Error("an error has the password")
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Length") == "" {
				t.Errorf("got the headers %v", got.header)
			}
			if strings.HasSuffix(tt.path, goodHost) && tt.code == 200 && got.header.Get(headerExpires) != "2031-02-03T04:05:06Z" {
				t.Errorf("it ends %q", got.header.Get(headerExpires))
			}
		})
	}
	b.wantNoSecret(t)
}

func TestAnswersToRequestsForALoginAreCounted(t *testing.T) {
	b := newBed(t)
	for _, tt := range []struct {
		path string
		want int
	}{
		{pathCredentials + "/" + goodHost, 200}, {pathCredentials + "/" + brokenHost, 503}, {pathCredentials + "/" + foreignHost, 404},
		{pathCredentials + "/a%20b", 400}, {pathCredentials + "/" + goodHost + "?wait=10", 400},
	} {
		b.ask(t, "GET", tt.path, nil)
		select {
		case got := <-b.counts:
			if got != tt.want {
				t.Errorf("%s counts as %d", tt.path, got)
			}
		default:
			t.Errorf("%s does not count", tt.path)
		}
	}
	b.ask(t, "GET", pathCredentials, nil)
	if len(b.counts) != 0 {
		t.Error("the list counts")
	}
}

func TestACallerWhoHasHungUpDoesNotCount(t *testing.T) {
	b := newBed(t)
	c := connect(t, b.socket)
	if _, err := io.WriteString(c, "GET /v1/credentials/"+brokenHost+"?wait=30s HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-b.waiting
	_ = c.Close()
	b.stop() // which waits for the request
	if len(b.counts) != 0 {
		t.Errorf("it counts as %d", <-b.counts)
	}
}

func TestHeadGivesTheSameStatusWithoutABody(t *testing.T) {
	b := newBed(t)
	for host, code := range map[string]int{goodHost: 200, brokenHost: 503, foreignHost: 404} {
		if got := b.ask(t, "HEAD", pathCredentials+"/"+host, nil); got.code != code || got.body != "" {
			t.Errorf("%s: got %d %q", host, got.code, got.body)
		}
	}
}

func TestTheHelpersOldHTTPIsUnderstood(t *testing.T) {
	c := connect(t, newBed(t).socket)
	if _, err := io.WriteString(c, "GET /v1/credentials/"+goodHost+"?wait=10s HTTP/1.0\r\nAccept: text/plain\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c) // the server ends the connection
	if err != nil || !strings.HasPrefix(string(all), "HTTP/1.0 200 OK\r\n") || !strings.Contains(string(all), "Content-Length: ") {
		t.Errorf("got %q, %v", all, err)
	}
}

func TestRequestsInOneConnection(t *testing.T) {
	c := connect(t, newBed(t).socket)
	from := bufio.NewReader(c)
	one := "GET /v1/credentials/" + goodHost + " HTTP/1.1\r\nHost: h\r\n\r\n"
	other := "GET /v1/credentials/" + brokenHost + " HTTP/1.1\r\nHost: h\r\n\r\n"
	for range 3 { // three in a row at once, and again
		if _, err := io.WriteString(c, one+other+one); err != nil {
			t.Fatal(err)
		}
		for _, code := range []int{200, 503, 200} {
			if got := readAnswer(t, from, "GET"); got.code != code {
				t.Errorf("got %d %q", got.code, got.body)
			}
		}
	}
}

func TestAClientMayWaitForAToken(t *testing.T) {
	b := newBed(t)
	c := connect(t, b.socket)
	if _, err := io.WriteString(c, "GET /v1/credentials/"+brokenHost+"?wait=30s HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b.arrival <- struct{}{}
	if got := readAnswer(t, bufio.NewReader(c), "GET"); got.code != 200 {
		t.Errorf("got %d %q", got.code, got.body)
	}
	b.ask(t, "GET", pathCredentials+"/"+goodHost, nil)
	b.ask(t, "GET", pathCredentials+"/"+goodHost+"?wait=1h", nil)
	b.locked(func() {
		if len(b.waits) != 3 || b.waits[0] != 30*time.Second || b.waits[1] != 0 || b.waits[2] != maxWait {
			t.Errorf("asked to wait %v", b.waits)
		}
	})
}

func TestAStopAnswersThoseWhoWait(t *testing.T) {
	b := newBed(t)
	c := connect(t, b.socket)
	if _, err := io.WriteString(c, "GET /v1/credentials/"+brokenHost+"?wait=30s HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-b.waiting
	silent := connect(t, b.socket)
	b.stop()
	if got := readAnswer(t, bufio.NewReader(c), "GET"); got.code != 503 || !strings.Contains(got.body, "is stopping or moves its socket") || !strings.Contains(got.body, "try again") {
		t.Errorf("got %d %q", got.code, got.body)
	}
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("a silent connection outlives the server")
	}
	if n := b.logs.FilterMessage("credential not available").Len(); n != 0 {
		t.Error("the stop is logged as a trouble")
	}
}

func TestAStopLetsRequestsUnderWayFinish(t *testing.T) {
	b := newBed(t)
	c := connect(t, b.socket)
	send(t, c, "GET /v1/credentials/"+brokenHost+"?wait=30s HTTP/1.1\r\nHost: h\r\n\r\n")
	<-b.waiting
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	for { // until the shutdown has begun
		c, err := net.Dial("unix", b.socket)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	select {
	case b.arrival <- struct{}{}:
	case <-stopped:
	}
	if got := readAnswer(t, bufio.NewReader(c), "GET"); got.code != 200 {
		t.Errorf("got %d %q", got.code, got.body)
	}
	<-stopped
}

// deadlines is a ResponseWriter that remembers until when the answer may be written.
type deadlines struct {
	*httptest.ResponseRecorder
	write time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = at; return nil }

func TestARequestThatWaitsHasTheTimeToBeAnswered(t *testing.T) {
	d := peerauth.NewDirectory()
	s := New(Options{Backend: &fakeBackend{directory: d, secret: login.NewSecret(canary)}, Directory: d, Logger: zap.NewNop()})
	tests := []struct {
		name, method, path string
		want               time.Duration // at least; 0 for the server's own
	}{
		{"a login", "GET", pathCredentials + "/" + goodHost + "?wait=30s", 30*time.Second + writeTime},
		{"all logins", "GET", pathCredentials + "?wait=20s", 20*time.Second + writeTime},
		{"a login at once", "GET", pathCredentials + "/" + goodHost, 0},
		{"a refresh", "POST", pathRefresh, refreshTime + writeTime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequest(tt.method, tt.path, nil)
			start := time.Now()
			s.serve(w, r)
			if w.Code != http.StatusOK {
				t.Fatalf("got %d %q", w.Code, w.Body)
			}
			if tt.want == 0 != w.write.IsZero() || w.write.Before(start.Add(tt.want)) && tt.want > 0 {
				t.Errorf("it may be written until %v after the start, want %v", w.write.Sub(start), tt.want)
			}
		})
	}
}

func TestAHeadIsBounded(t *testing.T) {
	b := newBed(t)
	for length, code := range map[int]string{3 << 10: "200", 5 << 10: "431"} {
		head := "GET " + pathHealth + " HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("a", length) + "\r\n\r\n"
		if got := exchange(t, b.socket, []byte(head)); !strings.HasPrefix(got, "HTTP/1.1 "+code) {
			t.Errorf("a head of %d bytes is answered with %.100q", length, got)
		}
	}
}

func TestAPanicEndsOneRequestAndTellsNoSecret(t *testing.T) {
	b := newBed(t)
	b.locked(func() { b.explode = true })
	got := b.ask(t, "GET", pathCredentials+"/"+goodHost, nil)
	if got.code != http.StatusInternalServerError || strings.Contains(got.body, "canary") {
		t.Errorf("got %d %q", got.code, got.body)
	}
	b.locked(func() { b.explode = false })
	if got := b.ask(t, "GET", pathCredentials+"/"+goodHost, nil); got.code != 200 {
		t.Errorf("afterwards: %d %q", got.code, got.body)
	}
	if b.logs.FilterMessage("request ended by a panic").Len() != 1 {
		t.Error("it is not logged")
	}
	b.wantNoSecret(t)
}
