package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ecr-refreshd/internal/fault"

	"github.com/docker/docker/api/types/registry"
)

// Connection is a connection to an engine that has answered. Its methods are safe for
// concurrent use.
type Connection struct {
	s       *session
	timeout time.Duration // of the wait for the engine's first answer to a request
}

// Close ends every connection, and with it every ssh process, before it returns.
func (c *Connection) Close() { c.s.close() }

// Request is one of the Engine API. It goes without an API version, which means the
// engine's newest: what is read and sent back unchanged loses nothing that this program does not know.
type Request struct {
	Op     string // for errors, as in `list the services`
	Method string
	Path   string // as in /services
	Query  url.Values
	Auth   *registry.AuthConfig // for X-Registry-Auth
	Body   []byte               // JSON
}

// Answer is an error that the engine has answered with.
type Answer struct {
	Status int
	Text   string // fit to show
}

// Error returns the engine's words.
func (a *Answer) Error() string { return a.Text }

// Get decodes the answer to a GET into to, within the time for one request.
func (c *Connection) Get(ctx context.Context, r Request, to any) error {
	r.Method = http.MethodGet
	return c.Do(ctx, r, func(body io.Reader) error { return json.NewDecoder(body).Decode(to) })
}

// Do makes a request and has read, unless it is nil, read the answer, all within the time for
// one request. Its error is a *fault.Error, around an *Answer where the engine has refused.
func (c *Connection) Do(ctx context.Context, r Request, read func(io.Reader) error) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Stream(limited, r, read)
}

// Stream is Do without a limit in time.
func (c *Connection) Stream(ctx context.Context, r Request, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, r.Method, c.s.base+r.Path+"?"+r.Query.Encode(), bytes.NewReader(r.Body))
	if err != nil {
		return c.failed(r, err)
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.Auth != nil {
		encoded, err := registry.EncodeAuthConfig(*r.Auth)
		if err != nil {
			return c.failed(r, err)
		}
		request.Header.Set(registry.AuthHeader, encoded)
	}
	response, err := c.s.http.Do(request)
	if err != nil {
		return c.failed(r, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		return c.refused(r, response)
	}
	if read == nil {
		return nil
	}
	if err := read(response.Body); err != nil {
		return c.failed(r, fmt.Errorf("read the answer: %w", err))
	}
	return nil
}

// failed is the fault of a request that no engine has answered, or not to the end.
func (c *Connection) failed(r Request, err error) error {
	e := &fault.Error{Reason: fault.Engine, Op: r.Op + " through the docker engine at " + c.s.where.String(), Hint: unreachableHint(err, c.s.where.address)}
	var elsewhere *notTheEngine
	var wrapped *url.Error
	switch {
	case errors.As(err, &elsewhere):
		e.Err, e.Hint = elsewhere, c.s.proxyHint()
		return e
	case errors.As(err, &wrapped):
		err = wrapped.Err // without the URL
	}
	// The text alone: what it wraps may hold the engine's own words.
	e.Err = errors.New(c.s.clean(err.Error()))
	return e
}

func (c *Connection) refused(r Request, response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, readLimit)) // what there is of it will do
	var said struct{ Message string }
	if err := json.Unmarshal(body, &said); err != nil || said.Message == "" {
		said.Message = strconv.Itoa(response.StatusCode) + " " + http.StatusText(response.StatusCode)
	}
	e := &fault.Error{Reason: fault.Engine, Op: r.Op + " through the docker engine at " + c.s.where.String(),
		Err: &Answer{response.StatusCode, c.s.clean(said.Message)}, Hint: "the engine's log may say more: `journalctl -u docker`"}
	if bytes.Contains(body, []byte(pluginDenies)) {
		e.Hint = "an authorization plugin of the engine forbids it: allow this daemon " + c.s.uses
	}
	return e
}

// String is the engine's address.
func (c *Connection) String() string { return c.s.where.String() }

// Clean makes a text of the engine fit to show.
func (c *Connection) Clean(text string) string { return c.s.clean(text) }
