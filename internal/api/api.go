// Package api is the local HTTP API: the server on the Unix socket, the socket
// itself, and the client that the commands use. It decides nothing about tokens
// (that is its Backend's business) nor about who may have one (peerauth's); it knows
// requests, answers, limits and time limits.
package api

import (
	"context"
	"errors"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/status"
)

// ErrNotOurs says that a host is none of the configuration's.
var ErrNotOurs = errors.New("not a host of the configuration")

// Backend is what the API shows. Its methods are called from many goroutines at
// once.
type Backend interface {
	// Credential gives a valid login for host to who. While there is none and one
	// may be on its way, it waits for it, for wait at most. The error is or wraps
	// ErrNotOurs or an *peerauth.Refusal, or is a *fault.Error with the cause.
	Credential(ctx context.Context, host string, who peerauth.Peer, wait time.Duration) (login.Login, error)
	// Credentials gives the user name for each host that has a valid login which
	// who may have. It waits as Credential does.
	Credentials(ctx context.Context, who peerauth.Peer, wait time.Duration) map[string]string
	// Status gives the whole state; what it returns belongs to the caller.
	Status() status.Report
	// Refresh renews now, host's grant or for "" everything, and gives the rows
	// concerned when the targets have dealt with it too. The error is or wraps
	// ErrNotOurs or is ctx's.
	Refresh(ctx context.Context, host string) ([]status.Registry, error)
}

// The paths, as clients write them.
const (
	pathStatus      = "/v1/status"
	pathCredentials = "/v1/credentials"
	pathRefresh     = "/v1/refresh"
)

// headerExpires carries the end of the login in an answer, in RFC 3339.
const headerExpires = "X-Expires-At"

const (
	// maxWait bounds what a request may ask for with wait=.
	maxWait = 30 * time.Second
	// refreshTime bounds a POST to /v1/refresh.
	refreshTime = 2 * time.Minute
	// writeTime is the time to take an answer, beyond the time to make it.
	writeTime = 10 * time.Second
)

// credential is the answer with a login, in the words of the credential helper
// protocol.
type credential struct{ ServerURL, Username, Secret string }

// refusal is the answer when there is nothing else to say.
type refusal struct {
	Error problem `json:"error"`
}

// problem is an error as the API tells it; see fault.Error.
type problem struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// renewal is the answer to a refresh.
type renewal struct {
	Registries []status.Registry `json:"registries"`
	Error      *problem          `json:"error,omitempty"`
}
