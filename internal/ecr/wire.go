package ecr

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"ecr-refreshd/internal/login"
)

const (
	// answerLimit bounds an answer, in bytes; a token's has some 4,000.
	answerLimit = 1 << 20
	// The instance metadata service is on this host. Where it does not answer within
	// these, as in a container whose packets may make one hop only, it never will.
	metadataDial, metadataAnswer = 250 * time.Millisecond, 500 * time.Millisecond
)

// wire is a Fetch's one way to the network. Every client of the SDK sends through
// it, the credential providers' own too, because install puts it into the stack of
// each request. It follows no redirect, bounds what comes back, and learns from both
// directions what must not be shown. Safe for concurrent use.
type wire struct {
	earlier login.Redactor   // of the Fetch before: what answers may send back what it got then
	unread  map[string]error // why a shared file could not be read, by path; the Fetch's own
	from    source           // of the credentials; the Fetch's own

	mu       sync.Mutex // a provider of the SDK may go on after its attempt has ended
	web      http.RoundTripper
	metadata http.RoundTripper
	own      []*http.Transport // made for this wire, and closed with it
	known    login.Redactor
	answered bool // something came back in this step
}

func (w *wire) learn(secrets ...string) {
	wrapped := make([]login.Secret, len(secrets))
	for i, s := range secrets {
		wrapped[i] = login.NewSecret(s)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = w.known.With(wrapped...)
}

// fail says in which step err came, and what of its text must not be shown.
func (w *wire) fail(step int, subject string, err error) *stepError {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &stepError{step: step, subject: subject, known: w.known.And(w.earlier), answered: w.answered, err: err}
}

// begin starts the next step.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = false
}

// trust makes the wire go with certificates of its own.
func (w *wire) trust(roots *x509.CertPool) {
	web, metadata := newTransports(func(t *http.Transport) { t.TLSClientConfig.RootCAs = roots })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.web, w.metadata, w.own = web, metadata, append(w.own, web, metadata)
}

// end returns what the wire knows for the next one.
func (w *wire) end() login.Redactor {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.own {
		t.CloseIdleConnections()
	}
	return w.known
}

// install puts the wire in the place of the SDK's HTTP client. That one cannot be
// replaced: the SDK adapts it for its providers, and takes only one of its own type.
func (w *wire) install(stack *middleware.Stack) error {
	w.mu.Lock()
	through := w.web
	if id := stack.ID(); id == "GetMetadata" || id == "getToken" {
		through = w.metadata
	}
	w.mu.Unlock()
	client := smithyhttp.NewClientHandlerWithOptions(smithyhttp.ClientDoFunc(func(r *http.Request) (*http.Response, error) {
		return w.exchange(through, r)
	}))
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Wire", func(ctx context.Context, in middleware.DeserializeInput,
		_ middleware.DeserializeHandler) (out middleware.DeserializeOutput, meta middleware.Metadata, err error) {
		out.RawResponse, meta, err = client.Handle(ctx, in.Request)
		return out, meta, err
	}), middleware.After) // the innermost: nothing but the SDK's client is behind it
}

// exchange sends a request and reads the whole answer.
func (w *wire) exchange(through http.RoundTripper, r *http.Request) (*http.Response, error) {
	if err := w.learnRequest(r); err != nil {
		return nil, &sendError{err}
	}
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	defer cancel()
	response, err := through.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, &sendError{err}
	}
	defer response.Body.Close() // it is read to its end, or not wanted
	w.mu.Lock()
	w.answered = true
	w.mu.Unlock()
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return nil, redirectError(response.StatusCode)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, answerLimit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, large
	case err != nil && ctx.Err() == nil:
		return nil, &sendError{errBroken}
	case err != nil:
		return nil, &sendError{ctx.Err()}
	}
	secrets := received(r, response.StatusCode, body)
	if len(secrets) > mostSecrets { // to look for each would cost more than the answer is worth
		return nil, answerError("the answer has too many fields")
	}
	w.learn(secrets...)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

// learnRequest notes the secrets of a request before it is sent.
func (w *wire) learnRequest(r *http.Request) error {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, answerLimit)); err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.learn(sent(r, body)...)
	return nil
}

// redirectError is the status of an answer that leads elsewhere. What is sent here is
// signed for one host, or is itself a secret, so no redirect is followed.
type redirectError int

func (e redirectError) Error() string {
	return fmt.Sprintf("the answer is a redirect (HTTP status %d), which is not followed with credentials", int(e))
}

var errBroken = errors.New("the connection broke during the answer")

// proxyError is the status with which a proxy refuses to open a connection.
type proxyError int

func (e proxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy answers %d %s", int(e), http.StatusText(int(e))))
}

// sendError is a request that got no answer. Its text is this program's and that of
// this host's network: net/http quotes what it cannot read, and URLs may hold a secret.
type sendError struct{ err error }

func (e *sendError) Unwrap() error { return e.err }

func (e *sendError) Error() string {
	err := e.err
	if from := (*url.Error)(nil); errors.As(err, &from) {
		err = from.Err
	}
	var (
		op        *net.OpError
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		verify    *tls.CertificateVerificationError
		proxy     proxyError
		slow      net.Error
	)
	switch {
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before an answer came"
	case errors.Is(err, errBroken), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &op), errors.As(err, &name), errors.As(err, &alert), errors.As(err, &verify),
		errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &record):
		return err.Error()
	case errors.As(err, &slow) && slow.Timeout():
		return "no answer in time"
	case strings.Contains(err.Error(), "invalid header field value"):
		return "a credential holds a character that no HTTP header can, such as a line break"
	}
	return "what answered does not speak HTTP"
}

// transports are the ways of all wires with these settings of TLS.
func newTransports(adapt ...func(*http.Transport)) (web, metadata *http.Transport) {
	build := func(more ...func(*http.Transport)) *awshttp.BuildableClient {
		return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.IdleConnTimeout = idle
			t.MaxIdleConnsPerHost = 1
			t.MaxResponseHeaderBytes = 64 << 10
			t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
				if r.StatusCode != http.StatusOK {
					return proxyError(r.StatusCode)
				}
				return nil
			}
		}).WithTransportOptions(adapt...).WithTransportOptions(more...)
	}
	web = build().GetTransport()
	metadata = build(func(t *http.Transport) { t.ResponseHeaderTimeout = metadataAnswer }).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = metadataDial }).GetTransport()
	return web, metadata
}
