// Package fault is the vocabulary of what can go wrong: a closed list of
// reasons, which drive back-off, labels and status, and an error that carries
// one together with a hint for the person who must fix it. Adapters (ecr and
// the targets) classify once, at their edge; nobody else looks at foreign errors.
package fault

import (
	"errors"
	"slices"
	"strings"
)

// Reason says whose fault it is, in the words that users see in status, logs
// and metrics.
type Reason string

// The closed list. Reasons returns it.
const (
	Network     Reason = "network"     // AWS or a registry did not answer, or answered 5xx
	Throttled   Reason = "throttled"   // AWS asked for fewer calls
	Denied      Reason = "denied"      // AWS knows who asks and says no
	Credentials Reason = "credentials" // there are no usable AWS credentials
	Rejected    Reason = "rejected"    // the registry or the engine refused the token
	Engine      Reason = "engine"      // the Docker Engine is not reachable
	Local       Reason = "local"       // a file, a permission, a disk of this host
	Invalid     Reason = "invalid"     // an answer that makes no sense
)

// Reasons lists every reason there is.
func Reasons() []Reason {
	return []Reason{Network, Throttled, Denied, Credentials, Rejected, Engine, Local, Invalid}
}

// Error is one thing that went wrong. Its text is "Op: Err"; the hint is kept
// apart, because a log line has a field for it. Never put a secret in it.
type Error struct {
	Reason    Reason
	Op        string   // what was tried, on what: `get authorization token in "eu-west-1"`
	Err       error    // the cause; may be nil when Op says it all
	Hint      string   // what a person can do; empty when there is nothing to do but wait
	Hosts     []string // the hosts concerned; empty means every host of the call
	Overruled bool     // the login is stored, but the client would not use it
}

// Error gives operation and cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Op
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// List is several faults of one call, each with its hosts: how a target
// reports that some of its hosts failed, and why each did.
type List []*Error

// Error joins the faults with "; ".
func (l List) Error() string {
	texts := make([]string, len(l))
	for i, e := range l {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the faults to errors.Is and errors.As.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Err gives nil for an empty list, so that a caller can return l.Err().
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// All takes an error apart into its faults, joined errors too. An error that
// carries none becomes one of reason Invalid, so that nothing is lost; nil
// gives none.
func All(err error) List {
	switch e := err.(type) {
	case nil:
		return nil
	case *Error:
		return List{e}
	case List:
		return e
	case interface{ Unwrap() []error }:
		var list List
		for _, part := range e.Unwrap() {
			list = append(list, All(part)...)
		}
		return list
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); errors.As(inner, new(*Error)) {
			return All(inner)
		}
	}
	return List{{Reason: Invalid, Op: err.Error()}}
}

// Has reports whether one of err's faults is of the reason r.
func Has(err error, r Reason) bool {
	return slices.ContainsFunc(All(err), func(e *Error) bool { return e.Reason == r })
}

// Concerns reports whether the fault is about host.
func (e *Error) Concerns(host string) bool {
	return len(e.Hosts) == 0 || slices.Contains(e.Hosts, host)
}

// Printed comes, in the text of an Error, before what a program of the user's has printed: it may
// tell secrets of which nothing is known here, and is not for everybody who sees that it failed.
const Printed = "; it printed: "
