package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/trust"

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
)

// session is the conversation with the engine during one Store.
type session struct {
	where    endpoint
	api      *client.Client
	wire     *wire
	redactor login.Redactor
}

// open prepares a session and contacts nobody yet. Its error is a fault.
func open(ctx context.Context, where endpoint, r login.Redactor) (*session, error) {
	local := func(err error) error {
		hint := "check the ca, cert and key files of this engine, and that the daemon may read them"
		if refused := (*trust.Error)(nil); errors.As(err, &refused) {
			hint = trustHint(refused)
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
	transport := &http.Transport{TLSClientConfig: secured,
		MaxConnsPerHost: parallel, MaxIdleConns: parallel, MaxIdleConnsPerHost: parallel}
	host := where.String()
	var helper *connhelper.ConnectionHelper
	if where.scheme == "ssh" {
		var err error
		if helper, err = connhelper.GetConnectionHelper(host); err != nil {
			return nil, local(err)
		}
		host = helper.Host
	}
	scheme := "http"
	if secured != nil {
		scheme = "https"
	}
	api, err := client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: transport}),
		client.WithHost(host), // it sets the transport up, which it knows only by its type
		client.WithHTTPClient(&http.Client{Transport: bounded{transport}, CheckRedirect: client.CheckRedirect}),
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
	return &session{where: where, api: api, wire: w, redactor: r}, nil
}

// bounded gives answers of answerLimit at most: the rest is an error.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, answerLimit)
	}
	return response, err
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
	cause := s.cause(err)
	return &fault.Error{Reason: fault.Engine, Op: "reach the docker engine at " + s.where.String(),
		Err: told{s.redactor.Clean(cause.Error()), cause}, Hint: unreachableHint(cause, s.where.address)}
}

// login sends one POST /auth and judges what comes back.
func (s *session) login(ctx context.Context, l login.Login) result {
	_, err := s.api.RegistryLogin(ctx, registry.AuthConfig{
		Username:      l.Username,
		Password:      l.Secret.Reveal(),
		ServerAddress: l.Host,
	})
	r := result{host: l.Host, outcome: failed}
	switch answer, ok := strings.CutPrefix(errorText(err), answerPrefix); {
	case err == nil:
		return result{host: l.Host, outcome: proven}
	case ok:
		r.text = s.redactor.Clean(answer)
		r.verdict = judge(answer[:min(len(answer), readLimit)], l.Host)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		r.late = true
		r.text = "the engine has not answered in time"
		r.verdict = verdict{reason: fault.Network, hint: connectHint(l.Host)}
	case client.IsErrConnectionFailed(err):
		cause := s.cause(err)
		r.text = "the connection to the docker engine at " + s.where.String() + " broke: " + s.redactor.Clean(cause.Error())
		r.verdict = verdict{reason: fault.Engine, hint: unreachableHint(cause, s.where.address), concernsAll: true}
	default:
		r.text = s.redactor.Clean(err.Error())
		r.verdict = verdict{reason: fault.Invalid, hint: "check that a docker engine, not something else, listens at " + s.where.String()}
	}
	return r
}

// cause prefers what dialling reported: docker's client replaces it by a
// sentence of its own.
func (s *session) cause(err error) error {
	if lost := s.wire.lost(); lost != nil && client.IsErrConnectionFailed(err) {
		return lost
	}
	return err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// told is an error whose text has been made fit to show.
type told struct {
	text string
	err  error
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.err }
