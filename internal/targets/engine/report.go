package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"ecr-refreshd/internal/fault"
)

// outcome is how far a login got.
type outcome int

const (
	untried outcome = iota // its turn or its answer did not come
	proven
	failed
)

// result is what one login came to. Only a failed one has a text and a verdict. The
// text may hold anything, secrets too: report makes it fit to show.
type result struct {
	host    string
	outcome outcome
	late    bool // no answer came in time
	text    string
	verdict verdict
}

// anyHost stands for the host in a text that is about several.
const anyHost = "HOST"

// report makes one fault of every distinct cause, so that 50 hosts behind one
// trouble are one line and not 50. A cause that concerns the whole engine takes
// the hosts along that it kept from being tried.
func report(ctx context.Context, results []result, clean func(string) string) error {
	var (
		order  []string // the keys of groups, as they came
		groups = map[string][]result{}
		all    *result  // one that concerns the whole engine
		left   []string // hosts without an answer of their own
		faults fault.List
	)
	for i, r := range results {
		switch {
		case r.outcome == untried:
			left = append(left, r.host)
		case r.outcome == failed && r.verdict.concernsAll:
			all = &results[i]
			left = append(left, r.host)
		case r.outcome == failed:
			key := string(r.verdict.reason) + "\n" + withoutHost(r.text, r.host)
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], r)
		}
	}
	for _, key := range order {
		faults = append(faults, one(groups[key], clean))
	}
	if len(left) > 0 {
		e := interrupted(ctx, left)
		if all != nil {
			e = &fault.Error{Reason: all.verdict.reason, Op: "log the docker engine in",
				Err: errors.New(clean(all.text)), Hint: all.verdict.hint, Hosts: left}
		}
		if len(left) == len(results) {
			e.Hosts = nil // which means all of the call
			return e
		}
		faults = append(faults, e)
	}
	return faults.Err()
}

func one(group []result, clean func(string) string) *fault.Error {
	first := group[0]
	e := &fault.Error{Reason: first.verdict.reason, Hosts: []string{first.host}}
	if len(group) == 1 {
		e.Op, e.Err, e.Hint = fmt.Sprintf("log the docker engine in to %q", first.host), errors.New(clean(first.text)), first.verdict.hint
		return e
	}
	for _, r := range group[1:] {
		e.Hosts = append(e.Hosts, r.host)
	}
	e.Op = fmt.Sprintf("log the docker engine in to %d registries", len(group))
	e.Err = errors.New(clean(withoutHost(first.text, first.host)))
	e.Hint = withoutHost(first.verdict.hint, first.host)
	return e
}

// ownPort is the engine's end of a connection, which is another one each time.
var ownPort = regexp.MustCompile(`\S+->`)

func withoutHost(text, host string) string {
	text = ownPort.ReplaceAllString(text, "")
	if host == "" {
		return text
	}
	return strings.ReplaceAll(text, host, anyHost)
}
