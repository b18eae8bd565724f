package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/status"
)

// maxAnswer bounds what the client reads: a status of thousands of hosts has
// some MiB.
const maxAnswer = 64 << 20

// headerBytes bounds the head of an answer.
const headerBytes = 8 << 10

// Client asks a running daemon. Its errors are *fault.Error; they wrap
// ErrNoDaemon, ErrNotOurs or ErrRefused where that is the cause. Safe for
// concurrent use.
type Client struct{ http *http.Client }

// ErrRefused says that the daemon does not let this user have what was asked for.
var ErrRefused = errors.New("not allowed")

// Dial makes a Client for the first of sockets at which a daemon answers. It
// connects for each request again, and not yet.
func Dial(sockets []string) *Client {
	return &Client{&http.Client{
		Transport: &http.Transport{
			DialContext:            dialer(sockets),
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: headerBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Status gives the daemon's whole state.
func (c *Client) Status(ctx context.Context) (status.Report, error) {
	report, _, err := get[status.Report](ctx, c, "ask the daemon for its status", writeTime, pathStatus)
	return report, err
}

// Credential gives a valid login for host. While there is none and one may be on
// its way, it waits for it, for wait at most; the daemon allows 30 seconds.
func (c *Client) Credential(ctx context.Context, host string, wait time.Duration) (login.Login, error) {
	op := fmt.Sprintf("ask the daemon for the login of %q", host)
	path := pathCredentials + "/" + url.PathEscape(host)
	if wait = min(wait, maxWait); wait > 0 {
		path += "?wait=" + wait.String()
	}
	body, a, err := get[credential](ctx, c, op, max(wait, 0)+writeTime, path)
	if err != nil {
		return login.Login{}, err
	}
	ends, err := time.Parse(time.RFC3339, a.header.Get(headerExpires))
	if err != nil || body.ServerURL == "" || body.Username == "" || body.Secret == "" {
		return login.Login{}, foreign(op)
	}
	return login.Login{Host: body.ServerURL, Token: login.Token{
		Username: body.Username, Secret: login.NewSecret(body.Secret), ExpiresAt: ends}}, nil
}

// Refresh renews host's grant, or for "" everything, and gives the rows concerned
// when the targets have dealt with it too, 2 minutes later at most. The rows come
// with an error too when something was not renewed or stored.
func (c *Client) Refresh(ctx context.Context, host string) ([]status.Registry, error) {
	op, path := "ask the daemon to renew", pathRefresh
	if host != "" {
		op, path = fmt.Sprintf("ask the daemon to renew %q", host), path+"?host="+url.QueryEscape(host)
	}
	a, err := c.ask(ctx, op, refreshTime+writeTime, http.MethodPost, path)
	if err != nil {
		return nil, err
	}
	if a.code != http.StatusOK && a.code != http.StatusServiceUnavailable {
		return nil, a.refusal(op)
	}
	body, err := decode[renewal](op, a)
	if err != nil {
		return nil, err
	}
	if body.Error != nil {
		return body.Registries, a.refusal(op)
	}
	return body.Registries, nil
}

// answer is what the daemon said.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// get asks for path and reads what an answer of status 200 holds.
func get[T any](ctx context.Context, c *Client, op string, limit time.Duration, path string) (v T, a answer, err error) {
	if a, err = c.ask(ctx, op, limit, http.MethodGet, path); err == nil && a.code != http.StatusOK {
		err = a.refusal(op)
	}
	if err == nil {
		v, err = decode[T](op, a)
	}
	return v, a, err
}

// ask sends a request and reads the whole answer, within limit.
func (c *Client) ask(ctx context.Context, op string, limit time.Duration, method, path string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
	if err != nil {
		return answer{}, &fault.Error{Reason: fault.Invalid, Op: op, Err: err}
	}
	r.Header.Set("Accept", typeJSON)
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, unreachableDaemon(op, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, unreachableDaemon(op, err)
	}
	return answer{response.StatusCode, response.Header, body}, nil
}

// decode reads a body. What stands in one is never part of the error: it may be
// a secret.
func decode[T any](op string, a answer) (T, error) {
	var v T
	if !strings.HasPrefix(a.header.Get("Content-Type"), typeJSON) || json.Unmarshal(a.body, &v) != nil {
		var none T
		return none, foreign(op)
	}
	return v, nil
}

// foreign is the error for an answer that no daemon of ours gives.
func foreign(op string) error {
	return &fault.Error{Reason: fault.Invalid, Op: op, Err: errors.New("the answer is not one of ecr-refreshd"),
		Hint: "find out with `ss -xlp` what listens at the socket; restart ecr-refreshd if it was upgraded"}
}

// refusal makes the error that a says.
func (a answer) refusal(op string) error {
	body, err := decode[refusal](op, a)
	if err != nil || body.Error.Message == "" {
		return foreign(op)
	}
	cause := told{text: body.Error.Message}
	switch a.code {
	case http.StatusNotFound:
		cause.is = ErrNotOurs
	case http.StatusForbidden:
		cause.is = ErrRefused
	}
	return &fault.Error{Reason: fault.Reason(body.Error.Reason), Op: op, Err: cause, Hint: body.Error.Hint}
}

// told is the daemon's own text, with the error that it stands for.
type told struct {
	text string
	is   error
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.is }
