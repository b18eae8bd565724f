package ecr

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"ecr-refreshd/internal/login"
)

const (
	// idle is how long a connection waits for the next request of the same round
	// of fetches; the round after that is hours away.
	idle = 5 * time.Second
	// longest bounds a request that the SDK cuts off from our context, as its
	// credentials cache does.
	longest = 5 * time.Minute
)

// Clients is what the Sources of a process share: connections to AWS, and the
// sessions that AWS has opened for each identity, so that many regions cost one
// AssumeRole, one MFA code and one look at the instance metadata, not many.
// Safe for concurrent use. It needs no closing: connections close themselves
// within seconds.
type Clients struct {
	web, metadata http.RoundTripper // metadata is for the instance metadata service

	mu       sync.Mutex
	sessions map[string]*session
}

// NewClients makes the shared part. It opens no connection.
func NewClients() *Clients { return newClients() }

func newClients(adapt ...func(*http.Transport)) *Clients {
	web, metadata := newTransports(adapt...)
	return &Clients{web: web, metadata: metadata, sessions: map[string]*session{}}
}

// sessionOf gives the session of an identity. The ECR endpoint is no part of
// it: credentials open every endpoint.
func (c *Clients) sessionOf(id login.Identity) *session {
	id.EndpointURL = ""
	key := fmt.Sprintf("%#v", id)
	c.mu.Lock()
	defer c.mu.Unlock()
	s, found := c.sessions[key]
	if !found {
		s = &session{turn: make(chan struct{}, 1)}
		c.sessions[key] = s
	}
	return s
}

// session holds the temporary credentials of one identity. Credentials without
// an end are not kept: they cost nothing to read again, and people rotate them
// in files and behind credential processes. What is kept is a value and not an
// SDK provider, which would hold clients and whole configuration files.
type session struct {
	turn  chan struct{} // holds one element while somebody owns the fields below
	files string        // fingerprint of the shared files the credentials come from
	creds aws.Credentials
	err   error
	begun time.Time // when the credentials came, or the error
}

// get gives the kept credentials or those that retrieve obtains. One caller
// asks AWS at a time, and whoever waited meanwhile takes its answer, good or
// bad, so that a hundred grants do not wait in line for the same time-out.
func (s *session) get(ctx context.Context, files string, retrieve func() (aws.Credentials, error)) (aws.Credentials, error) {
	arrived := time.Now()
	if err := s.acquire(ctx); err != nil {
		return aws.Credentials{}, err
	}
	defer s.release()
	if s.files == files && (s.begun.After(arrived) || s.lasts(time.Now())) {
		return s.creds, s.err
	}
	creds, err := retrieve()
	if err != nil && ctx.Err() != nil {
		// The caller gave up; that is no answer for anybody else.
		return aws.Credentials{}, err
	}
	s.files, s.creds, s.err, s.begun = files, creds, err, time.Now()
	return creds, err
}

// lasts reports whether the kept credentials are good for one more token. Only
// in the first half of their life: a token may die with the session that
// obtained it, and a renewal because of a session's end must find a new one.
func (s *session) lasts(now time.Time) bool {
	if s.err != nil || !s.creds.CanExpire {
		return false
	}
	begun := s.begun.Round(0) // wall clock, as their end is
	return now.Round(0).Before(begun.Add(s.creds.Expires.Sub(begun) / 2))
}

// drop forgets creds after AWS has called them expired, unless newer ones have
// come since.
func (s *session) drop(ctx context.Context, creds aws.Credentials) {
	if s.acquire(ctx) != nil {
		return
	}
	defer s.release()
	if s.creds.AccessKeyID == creds.AccessKeyID && s.creds.SessionToken == creds.SessionToken {
		s.creds, s.begun = aws.Credentials{}, time.Time{}
	}
}

func (s *session) acquire(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) release() { <-s.turn }
