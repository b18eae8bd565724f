package attacks

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
)

// echoes are the answers with which a server may tell what it got, as they stand
// on the wire: {} is the value in some encoding, {honest} the whole right answer, {body} its body.
var echoes = []struct{ name, answer string }{
	{"message", "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"__type\":\"AccessDeniedException\",\"message\":\"you sent {}, no\"}"},
	{"message of another name", "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n{\"code\":\"AccessDenied\",\"Message\":\"you sent {}, no\",\"error\":\"{}\",\"error_description\":\"{}\"}"},
	{"message in XML", "HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\n\r\n<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>you sent {}</Message></Error><RequestId>1</RequestId></ErrorResponse>"},
	{"message of throttling", "HTTP/1.1 429 Slow\r\nContent-Type: application/json\r\n\r\n{\"__type\":\"ThrottlingException\",\"message\":\"you sent {}, no\"}"},
	{"message of an end", "HTTP/1.1 400 Bad Request\r\nX-Amzn-Errortype: ExpiredTokenException\r\n\r\n{\"__type\":\"ExpiredTokenException\",\"message\":\"{} is over\"}"},
	{"error code", "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"__type\":\"{}\",\"code\":\"{}\",\"error\":\"{}\",\"Code\":\"{}\",\"message\":\"no\"}"},
	{"error code in XML", "HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\n\r\n<ErrorResponse><Error><Code>{}</Code><Message>no</Message></Error><RequestId>{}</RequestId></ErrorResponse>"},
	{"code and message of the metadata", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Code\":\"{}\",\"Message\":\"{}\",\"LastUpdated\":\"{}\"}"},
	{"status line", "HTTP/1.1 400 {}\r\nContent-Length: 0\r\n\r\n"},
	{"status line of an outage", "HTTP/1.1 503 {}\r\nContent-Length: 0\r\n\r\n"},
	{"status line of a teapot", "HTTP/1.1 600 {}\r\nContent-Length: 0\r\n\r\n"},
	{"headers", "HTTP/1.1 400 Bad Request\r\nX-Amzn-Requestid: {}\r\nX-Amz-Request-Id: {}\r\nX-Amzn-Errortype: {}\r\nX-Amzn-Error-Message: {}\r\nServer: {}\r\nWww-Authenticate: Basic realm=\"{}\"\r\nContent-Length: 0\r\n\r\n"},
	{"date", "HTTP/1.1 400 Bad Request\r\nDate: {}\r\nX-Amzn-Errortype: RequestTimeTooSkewed\r\nContent-Length: 0\r\n\r\n"},
	{"content type", "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n\r\n{body}"},
	{"content type of an error", "HTTP/1.1 500 Oops\r\nContent-Type: {}; charset={}\r\n\r\n<p>no"},
	{"redirect target", "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/{}?{}\r\nContent-Length: 0\r\n\r\n"},
	{"redirect target with a user", "HTTP/1.1 302 Moved\r\nLocation: http://{}:x@127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
	{"redirect target of another scheme", "HTTP/1.1 301 Moved\r\nLocation: s{}://x/{}\r\nContent-Length: 0\r\n\r\n"},
	{"redirect target that is none", "HTTP/1.1 308 Moved\r\nLocation: http://[{}\r\nContent-Length: 0\r\n\r\n"},
	{"bytes after the answer", "{honest}{} and more"},
	{"answer twice", "{honest}{honest}"},
	{"answer before", "HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n{honest}"},
	{"answer that is plain text", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{} is what you sent"},
	{"answer of wrong types", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"{}\",\"Token\":\"{}\",\"Expiration\":\"{}\",\"Code\":\"Success\"," +
		"\"authorizationData\":[{\"authorizationToken\":\"{}\",\"expiresAt\":\"{}\"}],\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"{}\",\"expiration\":\"{}\"},\"accessToken\":\"{}\",\"expiresIn\":\"{}\"}"},
	{"answer that ends early", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Type: application/json\r\n\r\n{\"a\":\"{}"},
	{"answer of wrong types in XML", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<R><Result><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>" +
		"<SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials></Result></R>"},
	{"answer of names", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<{}><a:{}></{}>"},
	{"answer to another request", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"{new}\",\"Token\":\"{new}\",\"Expiration\":\"2030-01-01T00:00:00Z\"}\n"},
	{"answer to another request, refused", "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{\"Code\":\"Failed\",\"SecretAccessKey\":\"{new}\",\"Token\":\"{new}\"}"},
	{"no HTTP", "{}\r\n\r\n"},
	{"no version", "HTTP/{} 200 OK\r\n\r\n"},
	{"no status", "HTTP/1.1 {}\r\n\r\n"},
	{"no header", "HTTP/1.1 200 OK\r\n{}\r\n\r\n"},
	{"header without a name", "HTTP/1.1 200 OK\r\n: {}\r\n {}\r\n\r\n"},
	{"length that is none", "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n"},
	{"encoding that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: {}\r\n\r\n"},
	{"chunks that are none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: {}\r\n\r\n{}\r\n"},
	{"trailer that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n{}\r\n\r\n"},
	{"compression that is none", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{}"},
	{"switch of protocols", "HTTP/1.1 101 {}\r\nUpgrade: {}\r\nConnection: Upgrade\r\n\r\n{}"},
}

// TestNoEchoIsShown: whatever an endpoint of AWS answers, no error tells anything of what was sent or received.
func TestNoEchoIsShown(t *testing.T) {
	silence(t)
	for _, r := range roads {
		for _, request := range r.requests {
			t.Run(r.name+"/"+request, func(t *testing.T) { r.echo(t, request) })
		}
	}
}

// silence takes what net/http logs, as the programs do; TestTheProgramsShowNoEcho
// sees that they do.
func silence(t testing.TB) {
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
}

// echo attacks a request of the road in every way.
func (r road) echo(t *testing.T, request string) {
	report := newReport()
	for i, echo := range echoes {
		for j, e := range encodings {
			if (j > 0 || *ways == "few") && leftOut(i+j, 6) {
				continue
			}
			for turn, subjects := i+j, 1; ; turn++ {
				said, c := r.attempt(t, request, attack{echo.answer, e.encode, turn})
				report.add(echo.name, e.name, c.ledger.search(said))
				if e.name != "raw" || subjects >= c.subjects {
					break
				}
				subjects++
			}
		}
	}
	report.fail(t)
}

// attempt attacks one request of one fetch and returns what the fetch says.
func (r road) attempt(t testing.TB, request string, a attack) (string, *cloud) {
	t.Helper()
	c := newCloud(t)
	defer c.Close()
	source := r.source(t, c)
	c.victim, c.attack = request, a
	_, err := source.Fetch(t.Context())
	if c.count(request) == 0 {
		t.Fatalf("%s was not asked for: %v", request, err)
	}
	return said(err), c
}

// attack makes an answer out of a template, as of echoes.
type attack struct {
	answer string
	encode func(string) string
	turn   int // which of the values known is told
}

func (a attack) make(c *cloud, request string, honest *http.Response, body []byte) []byte {
	echo := a.encode(c.subject(a.turn))
	text := a.answer
	for strings.Contains(text, "{new}") {
		text = strings.Replace(text, "{new}", c.secret("made up", 60), 1)
	}
	if strings.Contains(text, "{honest}") || strings.Contains(text, "{body}") {
		c.sent(request, body)
	}
	var whole bytes.Buffer
	honest.ContentLength = int64(len(body))
	if err := honest.Write(&whole); err != nil {
		panic(err)
	}
	return []byte(strings.NewReplacer("{}", echo, "{honest}", whole.String(), "{body}", string(body)).Replace(text))
}

// subject is one of the values that are known by now.
func (c *cloud) subject(turn int) string {
	known := c.ledger.all()
	c.subjects = len(known)
	if len(known) == 0 {
		return "nothing that is secret"
	}
	slices.SortFunc(known, func(a, b value) int { return strings.Compare(a.field, b.field) })
	return known[turn%len(known)].text
}

// said is all that an error can print.
func said(err error) string {
	if err == nil {
		return ""
	}
	text := fmt.Sprintf("%v\n%+v\n", err, err)
	for _, f := range fault.All(err) {
		text += f.Op + "\n" + f.Hint + "\n"
	}
	return text
}

// report gathers leaks, a line for each echo.
type report struct {
	order []string
	leaks map[string][]string
	first map[string]leak
}

func newReport() *report { return &report{leaks: map[string][]string{}, first: map[string]leak{}} }

func (r *report) add(echo, encoding string, leaks []leak) {
	for _, l := range leaks {
		if r.leaks[echo] == nil {
			r.order = append(r.order, echo)
			r.first[echo] = l
		}
		if what := encoding + " of " + l.field; !slices.Contains(r.leaks[echo], what) {
			r.leaks[echo] = append(r.leaks[echo], what)
		}
	}
}

func (r *report) fail(t *testing.T) {
	t.Helper()
	for _, echo := range r.order {
		const most = 4
		what, more := r.leaks[echo], ""
		if len(what) > most {
			what, more = what[:most], fmt.Sprintf(" and %d more", len(what)-most)
		}
		t.Errorf("%s: shown: %s%s; as %s: …%s…", echo, strings.Join(what, ", "), more, r.first[echo].form, r.first[echo].around)
	}
}
