// Package doctor walks the road of a pull, from the configuration to what each client on
// this host would send, and reports what it meets: what is in order, the first fault with
// its cause, and the command that cures it.
//
// It changes nothing and shows no secret. What it looks at belongs to others: what an
// AWS answer means is in ecr, what an engine says in targets/engine, what a client reads
// in clientview.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/status"
)

// Mark says how a check ended.
type Mark string

// A fault is what keeps a pull from working, now or soon. A note is worth knowing, but may be
// as somebody wants it. What was left out could not be checked because of a fault before it.
const (
	OK    Mark = "ok"
	Fault Mark = "fault"
	Note  Mark = "note"
	Left  Mark = "left out"
)

// Check is one stop of the road. Nothing in it is secret.
type Check struct {
	Stop  string `json:"check"`        // such as token
	On    string `json:"on,omitempty"` // such as a host or an account
	Mark  Mark   `json:"result"`
	Text  string `json:"text"`            // what was found
	Where string `json:"where,omitempty"` // the file, and the line or key in it, that decides
	Cure  string `json:"cure,omitempty"`  // what to do, in words
	// Command cures it, or is the first step, where that needs no decision: to be pasted
	// into the shell in which doctor was run, or root's. Words in it are quoted.
	Command string `json:"command,omitempty"`
}

// Daemon is the running daemon, as its local API shows it. api.Client is one.
type Daemon interface {
	Status(ctx context.Context) (status.Report, error)
	Credential(ctx context.Context, host string, wait time.Duration) (login.Login, error)
}

// Work is what this process can do with the configuration by itself. daemon.Daemon is one.
type Work interface {
	// Token fetches a token for host and stores it nowhere.
	Token(ctx context.Context, host string) (login.Login, error)
	// Probe asks a target whether it would let a client in with the logins; see renew.Prober.
	Probe(ctx context.Context, target string, logins []login.Login) error
	Target(name string) string
	Warning(ctx context.Context, name string) string
	// Warnings say what is wrong with this process's environment.
	Warnings() []string
}

// Road is what there is to be checked. Only the functions that are nil are left out.
type Road struct {
	Host   string // one of the configuration's, in lower case; empty for all
	User   string // whose clients; empty for all that have something to do with the hosts
	Client string // which client; empty for all

	Load    func(ctx context.Context) (*config.Config, error)
	Open    func(c *config.Config) (Work, error)
	Daemon  func(ctx context.Context, c *config.Config) Daemon // c may be nil
	System  System
	Clients Clients
}

// span bounds a whole walk: in less than 10 s it is over, also with AWS away.
const span = 9 * time.Second

// Walk goes the whole road and returns what it met, in the road's order.
func (r *Road) Walk(ctx context.Context) []Check {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	w := &walk{Road: r}
	w.configuration(ctx)
	w.service(ctx)
	w.tokens(ctx)
	stops := []struct {
		name string
		look func(context.Context) []Check
	}{{"registry", w.registries}, {"target", w.targets}, {"client", w.clients}, {"others", r.System.refreshers}}
	results := make([][]Check, len(stops))
	var all []func()
	for i, s := range stops {
		all = append(all, func() { results[i] = within(ctx, s.name, s.look) })
	}
	together(all...)
	for _, checks := range results {
		w.add(checks...)
	}
	return w.checks
}

// within returns what look does, or at the end of ctx that it hangs: a home may be on a
// network file system whose server is away.
func within(ctx context.Context, name string, look func(context.Context) []Check) []Check {
	done := make(chan []Check, 1)
	go func() { done <- look(ctx) }()
	select {
	case checks := <-done:
		return checks
	case <-ctx.Done():
		return []Check{{Stop: name, Mark: Fault, Text: "did not end in time: a file system or a program hangs, or a file is enormous", Cure: "findmnt -t nfs,nfs4,cifs,fuse lists where it may hang: df has to return for each"}}
	}
}

// Healthy reports whether no fault is among the checks.
func Healthy(checks []Check) bool {
	for _, c := range checks {
		if c.Mark == Fault {
			return false
		}
	}
	return true
}

// walk is a Road with what is known so far.
type walk struct {
	*Road
	checks []Check
	config *config.Config // nil where it cannot be used
	work   Work           // nil without a configuration
	report *status.Report // nil without a daemon
	daemon Daemon
	held   []held
}

// held is a host of the configuration, with the login that there is for it.
type held struct {
	host, region string
	public       bool
	targets      []string
	login        login.Login // the zero one where there is none
}

func (w *walk) add(checks ...Check) { w.checks = append(w.checks, checks...) }

// wanted reports whether the walk is about the host.
func (w *walk) wanted(host string) bool { return w.Host == "" || w.Host == host }

// logins are those that a target should have.
func (w *walk) logins(target string) (all []login.Login) {
	for _, h := range w.held {
		if !h.login.Secret.IsZero() && slices.Contains(h.targets, target) {
			all = append(all, h.login)
		}
	}
	return all
}

// count is n things, in words.
func count(n int, thing, things string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %s", n, things)
}

// few is the first of many names, and how many more there are.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
