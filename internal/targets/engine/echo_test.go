package engine

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// requestHead is no secret. It has a length in bytes that leaves the rest of the base64 alone.
var requestHead = base64.URLEncoding.EncodeToString([]byte(`{"username":"AWS","password":"`))

// echoForms are ways to write a secret.
func echoForms(secret string) map[string]string {
	each := func(format string) string {
		var b strings.Builder
		for i := range len(secret) {
			fmt.Fprintf(&b, format, secret[i])
		}
		return b.String()
	}
	pieces := func(length int, between string) string {
		var all []string
		for piece := range slices.Chunk([]byte(secret), length) {
			all = append(all, string(piece))
		}
		return strings.Join(all, between)
	}
	forms := map[string]string{
		"raw": secret, "upper case": strings.ToUpper(secret), "hex": hex.EncodeToString([]byte(secret)), "hex with colons": each("%02X:"),
		"percent": each("%%%02x"), "JSON escapes": each(`\u%04x`), "pieces of 15": pieces(15, " | "), "pieces of 12": pieces(12, `","`),
		"cut": secret[20:40], "body of the request, in base64": requestHead + base64.URLEncoding.EncodeToString([]byte(secret+`"}`)),
	}
	for before := range 3 {
		forms[fmt.Sprintf("base64 after %d", before)] = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + secret))
	}
	return forms
}

func token(password string, end time.Time) login.Token {
	return login.Token{Username: "AWS", Secret: login.NewSecret(password), ExpiresAt: end}
}

// folded keeps the letters and digits of text.
func folded(text string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, strings.ToLower(text))
}

// wantHidden wants no 12 letters and digits in a row of the form in anything of err.
func wantHidden(t *testing.T, err error, form string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
	}
	form = folded(strings.TrimPrefix(form, requestHead))
	for _, e := range fault.All(err) {
		for cause := error(e); cause != nil; cause = errors.Unwrap(cause) {
			shown := folded(cause.Error() + e.Hint)
			for i := 0; i+12 <= len(form); i++ {
				if strings.Contains(shown, form[i:i+12]) {
					t.Fatalf("%q shows %q", cause, form[i:i+12])
				}
			}
		}
	}
}

// rawEngine answers with what answer says, byte for byte, and closes.
func rawEngine(t *testing.T, answer func(r *http.Request) string) *Target {
	t.Helper()
	socket := socketPath(t)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = c.Write([]byte(answer(r)))
				}
			}()
		}
	}()
	return newTarget(Options{Host: "unix://" + socket})
}

func answer(status, header, body string) string {
	return "HTTP/1.1 " + status + "\r\nApi-Version: 1.41\r\nConnection: close\r\n" + header + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func TestNoEchoOfASecretPasses(t *testing.T) {
	inJSON := func(text string) string {
		body, _ := json.Marshal(map[string]string{"message": text})
		return string(body)
	}
	const isJSON = "Content-Type: application/json\r\n"
	ways := map[string]func(text string) string{
		"message":         func(s string) string { return answer("500 Oops", isJSON, inJSON("status: 401 "+s)) },
		"escaped message": func(s string) string { return answer("500 Oops", isJSON, `{"message":"`+s+`"}`) },
		"broken JSON":     func(s string) string { return answer("500 Oops", isJSON, s) },
		"page":            func(s string) string { return answer("500 Oops", "", "<p>"+s+"</p>") },
		"no JSON at all":  func(s string) string { return answer("200 OK", isJSON, `{"Status":`+s) },
		"wrong type":      func(s string) string { return answer("200 OK", isJSON, `{"Status":["`+s+`"]}`) },
		"status line":     func(s string) string { return answer("500 "+s, "", "") },
		"bad status line": func(s string) string { return "HTTP/1.1 " + s + " 200 OK\r\n\r\n" },
		"no HTTP":         func(s string) string { return s + "\r\n\r\n" },
		"bad header":      func(s string) string { return "HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n" },
		"bad length":      func(s string) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + s + "\r\n\r\n" },
		"bad encoding":    func(s string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + s + "\r\n\r\n" },
		"redirect":        func(s string) string { return answer("307 Moved", "Location: http://elsewhere/"+s+"\r\n", "") },
		"bad redirect":    func(s string) string { return answer("307 Moved", "Location: ://"+s+"\r\n", "") },
		"too old": func(s string) string {
			return answer("400 No", isJSON, inJSON("client version "+s+" is too old, API version"))
		},
		"version": func(s string) string { return strings.Replace(answer("500 Oops", "", ""), "1.41", "0."+s, 1) },
	}
	good := answer("200 OK", isJSON, `{}`)
	const other = "c2Vjb25kIGdyYW50J3MgdG9rZW4sIG5vdCB0aGUgZmlyc3Q5NTM3MTA0ODYy"
	for way, wrap := range ways {
		for form, text := range echoForms(password) {
			t.Run(way+"/"+form, func(t *testing.T) {
				ping := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_ping") }
				inAuth := rawEngine(t, func(r *http.Request) string {
					if ping(r) && way != "version" {
						return good
					}
					return wrap(text)
				})
				wantHidden(t, inAuth.Store(t.Context(), loginsFor("h")), text)
				// The ping of a later Store knows the token of an earlier one.
				var sent atomic.Bool
				inPing := rawEngine(t, func(r *http.Request) string {
					if !sent.Load() {
						return good
					}
					return wrap(text)
				})
				if err := inPing.Store(t.Context(), loginsFor("h")); err != nil {
					t.Fatal(err)
				}
				sent.Store(true)
				second := token(other, time.Unix(1<<33, 0)).For("i")
				if err := inPing.Store(t.Context(), []login.Login{second}); err != nil {
					wantHidden(t, err, text)
				}
			})
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, redirected := range []string{"HEAD", "GET", "POST"} {
			var paths sync.Map
			tgt := rawEngine(t, func(r *http.Request) string {
				paths.Store(r.URL.Path, true)
				switch r.Method {
				case redirected:
					return answer(fmt.Sprintf("%d Moved", status), "Location: /elsewhere\r\n", "")
				case "HEAD":
					return answer("404 Not Found", "", "")
				}
				return answer("200 OK", "Content-Type: application/json\r\n", "{}")
			})
			if err := tgt.Store(t.Context(), loginsFor("h")); redirected == "POST" && err == nil {
				t.Errorf("a redirect with %d is taken for a login", status)
			}
			if _, followed := paths.Load("/elsewhere"); followed {
				t.Errorf("a redirect of %s with %d is followed", redirected, status)
			}
		}
	}
}

func TestAnEndlessHeaderIsCutOff(t *testing.T) {
	tgt := rawEngine(t, func(*http.Request) string {
		return "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 200) + "\r\n"
	})
	if err := tgt.Store(t.Context(), loginsFor("h")); !fault.Has(err, fault.Engine) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTheLatestLivingPasswordsAreRemembered(t *testing.T) {
	now := time.Now()
	var s secrets
	for i := range 2 * remembered {
		s.add([]login.Login{token(fmt.Sprintf("%d-%s", i, password), now.Add(time.Hour)).For("h")}, now)
		s.add(loginsFor("a", "b"), now)
	}
	if len(s.sent) != remembered {
		t.Errorf("%d passwords are remembered", len(s.sent))
	}
	s.add(loginsFor("c"), now.Add(2*time.Hour))
	if len(s.sent) != 1 {
		t.Errorf("%d passwords are remembered, of which one is still good", len(s.sent))
	}
}
