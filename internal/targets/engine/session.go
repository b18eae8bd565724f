package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// answerPrefix is what docker's client puts before an error that the engine
// itself has written.
const answerPrefix = "Error response from daemon: "

const (
	// answerLimit bounds an answer of the engine, in bytes; a true one has hundreds.
	answerLimit = 1 << 20
	// readLimit bounds, in bytes, how much of an answer is judged.
	readLimit = 4096
	// headerLimit bounds the header of an answer, in bytes.
	headerLimit = 64 << 10
)

// session is a conversation with the engine.
type session struct {
	where endpoint
	api   *client.Client
	http  *http.Client // the one below api
	base  string       // of URLs
	wire  *wire
	uses  string                   // see Connector
	clean func(text string) string // makes what came from the engine fit to show
}

// open prepares a session and contacts nobody yet. Its error is a fault.
func open(ctx context.Context, where endpoint, limit int64, clean func(string) string) (*session, error) {
	local := func(err error) error {
		hint := "check the ca, cert and key files of this engine, and that the daemon may read them"
		if refused := (*filetrust.Error)(nil); errors.As(err, &refused) {
			hint = trustHint(refused)
		} else if errors.Is(err, filetrust.ErrHangs) {
			hint = hangHint
		}
		return &fault.Error{Reason: fault.Local, Op: "prepare the connection to the docker engine at " + where.String(), Err: err, Hint: hint}
	}
	var secured *tls.Config
	if where.isTCP() {
		var err error
		if secured, err = where.tls.config(); err != nil {
			return nil, local(err)
		}
	}
	// All connections may wait for their next host: the transport's own default
	// keeps 2 and would open the others again and again.
	transport := &http.Transport{TLSClientConfig: secured, MaxResponseHeaderBytes: headerLimit,
		MaxConnsPerHost: parallel, MaxIdleConns: parallel, MaxIdleConnsPerHost: parallel}
	host, base := where.String(), "http://api.moby.localhost"
	var helper *connhelper.ConnectionHelper
	if where.scheme == "ssh" {
		var err error
		if helper, err = connhelper.GetConnectionHelper(host); err != nil {
			return nil, local(err)
		}
		host, base = helper.Host, helper.Host
	}
	scheme := "http"
	if secured != nil {
		scheme = "https"
	}
	if where.isTCP() {
		base = scheme + "://" + strings.TrimRight(where.target, "/")
	}
	bound := &http.Client{Transport: bounded{transport, limit}, CheckRedirect: client.CheckRedirect}
	api, err := client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: transport}),
		client.WithHost(host), // it sets the transport up, which it knows only by its type
		client.WithHTTPClient(bound),
		client.WithScheme(scheme),
		// The filter takes every request past the tracing, which nobody reads here.
		client.WithTraceOptions(otelhttp.WithFilter(func(*http.Request) bool { return false })),
	)
	if err != nil {
		return nil, local(err)
	}
	dial := transport.DialContext
	if helper != nil {
		dial, transport.Proxy = sshDial(helper.Dialer, sshGrace), nil
	}
	w := newWire(ctx, dial)
	transport.DialContext = w.dialContext
	return &session{where: where, api: api, http: bound, base: base, wire: w, clean: clean}, nil
}

// bounded gives answers of limit at most: the rest is an error. So is an answer
// that no engine gives.
type bounded struct {
	*http.Transport
	limit int64 // of an answer, in bytes
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := fromElsewhere(response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	response.Body = http.MaxBytesReader(nil, response.Body, b.limit)
	return response, nil
}

// notTheEngine is the error for an answer of something in front of the engine.
type notTheEngine struct{ request, status string }

func (e *notTheEngine) Error() string {
	return fmt.Sprintf("%s was answered with %q, not by a docker engine but by something in front of it", e.request, e.status)
}

// fromElsewhere finds answers of socket proxies: an engine refuses in JSON, and with
// 403 only where a plugin of its own forbids the request, which it says.
func fromElsewhere(response *http.Response) error {
	code := response.StatusCode
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if code <= http.StatusBadRequest || code == http.StatusInternalServerError || kind == "application/json" && code != http.StatusForbidden {
		return nil
	}
	if kind == "application/json" {
		start, err := io.ReadAll(io.LimitReader(response.Body, readLimit))
		if err != nil {
			return err
		}
		if bytes.Contains(start, []byte(pluginDenies)) {
			response.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(bytes.NewReader(start), response.Body), response.Body}
			return nil
		}
	}
	return &notTheEngine{response.Request.Method + " " + path.Base(response.Request.URL.Path), strconv.Itoa(code) + " " + http.StatusText(code)}
}

// close ends every connection, and with it every ssh process, before it returns.
func (s *session) close() {
	s.wire.close()
	_ = s.api.Close() // it closes idle connections and knows no error
}

// ping reaches the engine and negotiates the API version. Its error is a fault
// of reason Engine.
func (s *session) ping(ctx context.Context) error {
	pong, err := s.api.Ping(ctx)
	if err == nil {
		s.api.NegotiateAPIVersionPing(pong)
		return nil
	}
	var elsewhere *notTheEngine
	e := &fault.Error{Reason: fault.Engine, Op: "reach the docker engine at " + s.where.String()}
	if lost := s.lost(err); lost != nil {
		e.Err, e.Hint = lost, unreachableHint(lost, s.where.address)
		return e
	}
	if errors.As(err, &elsewhere) {
		e.Err, e.Hint = elsewhere, s.proxyHint()
		return e
	}
	// The text alone: what it wraps holds the engine's own words.
	e.Err, e.Hint = errors.New(s.clean(err.Error())), unreachableHint(err, s.where.address)
	return e
}

// login sends one POST /auth and judges what comes back.
func (s *session) login(ctx context.Context, l login.Login) result {
	_, err := s.api.RegistryLogin(ctx, registry.AuthConfig{
		Username:      l.Username,
		Password:      l.Secret.Reveal(),
		ServerAddress: l.Host,
	})
	r := result{host: l.Host, outcome: failed}
	var elsewhere *notTheEngine
	switch answer, ok := strings.CutPrefix(errorText(err), answerPrefix); {
	case err == nil:
		return result{host: l.Host, outcome: proven}
	case errors.As(err, &elsewhere):
		r.text = elsewhere.Error()
		r.verdict = verdict{reason: fault.Engine, hint: s.proxyHint(), concernsAll: true}
	case ok:
		r.text = answer
		r.verdict = judge(answer[:min(len(answer), readLimit)], l.Host)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		r.late = true
		r.text = "the engine has not answered in time"
		r.verdict = verdict{reason: fault.Network, hint: connectHint(l.Host)}
	case client.IsErrConnectionFailed(err):
		cause := err
		if lost := s.lost(err); lost != nil {
			cause = lost
		}
		r.text = "the connection to the docker engine at " + s.where.String() + " broke: " + cause.Error()
		r.verdict = verdict{reason: fault.Engine, hint: unreachableHint(cause, s.where.address), concernsAll: true}
	default:
		r.text = err.Error()
		r.verdict = verdict{reason: fault.Invalid, hint: "check that a docker engine, not something else, listens at " + s.where.String()}
	}
	return r
}

// lost is what dialling reported, if that is behind err: docker's client replaces it
// by a sentence of its own. It holds this host's own words only, none of the engine's.
func (s *session) lost(err error) error {
	if client.IsErrConnectionFailed(err) {
		return s.wire.lost()
	}
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
