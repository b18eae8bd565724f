// Package status is the Observer that remembers how every registry and target
// stands, in the form in which users read it: the same values make the tables
// and the JSON. It holds no secret and steers nothing.
package status

import (
	"slices"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// State of a registry or a target.
type State string

// A registry is pending, fresh, failing or expired; a target pending, ok or failed.
const (
	Pending State = "pending" // nothing has been tried to the end yet; of a target also: it has no valid login
	Fresh   State = "fresh"
	Failing State = "failing" // renewal fails, the token is still good
	Expired State = "expired"
	OK      State = "ok"
	Failed  State = "failed"
)

// Report is the whole state of a daemon, as the local API gives it.
type Report struct {
	Version    string     `json:"version"`
	StartedAt  time.Time  `json:"started_at"`
	Config     Config     `json:"config"`
	Socket     Socket     `json:"socket"`
	HTTP       *HTTP      `json:"http,omitempty"` // nil where the configuration has none
	Registries []Registry `json:"registries"`
}

// Config is the configuration that is in force.
type Config struct {
	Path     string    `json:"path"`
	LoadedAt time.Time `json:"loaded_at"`
	Error    *Problem  `json:"error"` // of a newer version of the file, which was refused
}

// Socket is where the local API listens.
type Socket struct {
	Path  string   `json:"path"`  // empty until it listens
	Error *Problem `json:"error"` // why new clients cannot connect
}

// HTTP is the server for metrics, health and the page.
type HTTP struct {
	Listen string   `json:"listen"` // empty until it listens
	Error  *Problem `json:"error"`  // why it does not listen where the configuration says
}

// Problem is the Error, of nil too.
func (h *HTTP) Problem() *Problem {
	if h == nil {
		return nil
	}
	return h.Error
}

// Registry is one host's row.
type Registry struct {
	Host     string `json:"host"`
	Account  string `json:"account"`
	Region   string `json:"region"`
	Identity string `json:"identity"`
	// Source says where the AWS credentials of the token came from; empty without a token, and for
	// one of a former process. SessionEndsAt is the end of their session, nil where they have none.
	Source              string     `json:"source,omitempty"`
	SessionEndsAt       *time.Time `json:"session_ends_at,omitempty"`
	State               State      `json:"state"`
	ExpiresAt           *time.Time `json:"expires_at"`
	RefreshedAt         *time.Time `json:"refreshed_at"`
	NextRefreshAt       *time.Time `json:"next_refresh_at"`
	ConsecutiveFailures int        `json:"consecutive_failures"`
	// ClockWrong says that the expiry of the token, as reported, cannot be true on this host's clock.
	ClockWrong bool     `json:"clock_wrong,omitempty"`
	Error      *Problem `json:"error"`
	Targets    []Target `json:"targets"`
	// LastDay has a letter for each quarter hour of the last 24 hours in which the daemon ran, the
	// worst of it. The last letter is the present quarter hour of the clock.
	LastDay string `json:"last_day,omitempty"`
}

// Well reports whether nothing about r needs a person or a moment's patience: the
// token is fresh, and every target has it.
func (r Registry) Well() bool {
	return r.State == Fresh && r.Stored()
}

// WithoutOutput is r, which is changed, without what programs of the user's have printed.
func (r Report) WithoutOutput() Report {
	for _, registry := range r.Registries {
		for i := range registry.Targets {
			t := &registry.Targets[i]
			if t.Error == nil {
				continue
			}
			if text, _, printed := strings.Cut(t.Error.Message, fault.Printed); printed {
				p := *t.Error
				p.Message = text + " (`ecr-refreshd status` shows what it printed)"
				t.Error = &p
			}
		}
	}
	return r
}

// Stored reports whether every target holds a login of r.
func (r Registry) Stored() bool {
	return !slices.ContainsFunc(r.Targets, func(t Target) bool { return t.State != OK })
}

// Target is how one target stands with one host.
type Target struct {
	Name     string     `json:"name"`
	Type     string     `json:"type"`
	State    State      `json:"state"`
	StoredAt *time.Time `json:"stored_at"`
	Error    *Problem   `json:"error"`
	Warning  string     `json:"warning,omitempty"` // what a person should do about its place
}

// Problem is a failure as a person reads it.
type Problem struct {
	Reason    fault.Reason `json:"reason"`
	Message   string       `json:"message"`
	Hint      string       `json:"hint"`
	At        time.Time    `json:"at"`
	Overruled bool         `json:"-"` // see fault.Error
}

// Row announces a registry before anything has happened to it.
type Row struct {
	Grant    renew.Grant
	Registry // State is set to Pending, and so are the states of Targets
}

// Board is an Observer. Safe for concurrent use.
type Board struct {
	mu   sync.Mutex
	rows []Row
	days []history     // of the rows
	at   map[key][]int // indices in rows; several, where one is the account's own and another names it
	// skewed are grants of whose next token the expiry was reported wrong.
	skewed map[renew.Grant]bool
}

type key struct {
	grant renew.Grant
	host  string
}

// New makes a Board with these rows, in their order. The names of hosts whose
// account is not known yet are filled in when the first token tells it.
func New(rows []Row) *Board {
	b := &Board{rows: rows, days: make([]history, len(rows)), at: make(map[key][]int, len(rows)), skewed: make(map[renew.Grant]bool)}
	for i := range rows {
		rows[i].State = Pending
		for j := range rows[i].Targets {
			rows[i].Targets[j].State = Pending
		}
		b.index(i)
	}
	return b
}

// Registries gives a copy of all rows as they stand at now.
func (b *Board) Registries(now time.Time) []Registry {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Registry, len(b.rows))
	for i, r := range b.rows {
		out[i] = r.Registry
		out[i].Targets = slices.Clone(r.Targets)
		if out[i].ExpiresAt != nil && !now.Before(*out[i].ExpiresAt) {
			out[i].expire()
		}
		if day := b.days[i]; day.now != 0 {
			day.note(now, out[i].letter())
			out[i].LastDay = day.known()
		}
	}
	return out
}

// Observe brings the rows of e up to date.
func (b *Board) Observe(e renew.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Kind == renew.Renewed || e.Kind == renew.Adopted {
		b.rename(e)
		defer delete(b.skewed, e.Grant)
	}
	if e.Kind == renew.ClockWrong { // the Renewed of that token follows
		b.skewed[e.Grant] = true
	}
	for _, host := range e.Hosts {
		for _, i := range b.at[key{e.Grant, host}] {
			if e.Target == "" {
				b.rows[i].renewal(e)
				if e.Kind == renew.Renewed || e.Kind == renew.Adopted {
					b.rows[i].ClockWrong = b.skewed[e.Grant]
				}
			} else if j := slices.IndexFunc(b.rows[i].Targets, func(t Target) bool { return t.Name == e.Target }); j >= 0 {
				b.rows[i].Targets[j].delivery(e, host)
			}
			b.days[i].note(e.At, b.rows[i].letter())
		}
	}
}

// rename fills in the account that the grant's token was issued to.
func (b *Board) rename(e renew.Event) {
	for i := range b.rows {
		r := &b.rows[i]
		if r.Grant != e.Grant || r.Account != login.OwnAccount || e.Account == "" {
			continue
		}
		r.Host, r.Account = login.Token{Account: e.Account}.For(r.Host).Host, e.Account
		b.index(i)
	}
}

// Inherit takes over how the targets stood on the board before, for hosts of the
// same identity and for targets of which same is true, as long as nothing newer is
// known: a reload changes nothing in a target. The last day of a host goes on.
func (b *Board) Inherit(old *Board, same func(target string) bool) {
	before := make(map[[2]string]Registry)
	for _, r := range old.Registries(time.Time{}) {
		before[[2]string{r.Host, r.Identity}] = r
	}
	days, alone := old.past()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		r := &b.rows[i]
		was, is := days[[2]string{r.Host, r.Identity}]
		if !is { // the host has moved to another identity
			was, is = alone[r.Host]
		}
		if is {
			b.days[i].follow(was)
		}
		if r.State == Pending {
			continue
		}
		before := before[[2]string{r.Host, r.Identity}]
		r.ClockWrong = r.ClockWrong || before.ClockWrong
		for _, was := range before.Targets {
			j := slices.IndexFunc(r.Targets, func(t Target) bool { return t.Name == was.Name })
			if j >= 0 && r.Targets[j].State == Pending && same(was.Name) {
				r.Targets[j] = was
			}
		}
	}
}

// past are the last days by host and identity, and by host alone where that is in one row.
func (b *Board) past() (days map[[2]string]history, alone map[string]history) {
	b.mu.Lock()
	defer b.mu.Unlock()
	days, alone = make(map[[2]string]history, len(b.rows)), make(map[string]history, len(b.rows))
	rows := make(map[string]int, len(b.rows))
	for i, r := range b.rows {
		days[[2]string{r.Host, r.Identity}] = b.days[i]
		if rows[r.Host]++; rows[r.Host] == 1 {
			alone[r.Host] = b.days[i]
		} else {
			delete(alone, r.Host)
		}
	}
	return days, alone
}

func (b *Board) index(i int) {
	k := key{b.rows[i].Grant, b.rows[i].Host}
	b.at[k] = append(b.at[k], i)
}

// renewal takes an event of the token itself.
func (r *Registry) renewal(e renew.Event) {
	switch e.Kind {
	case renew.Renewed, renew.Adopted:
		r.State, r.Error, r.ConsecutiveFailures = Fresh, nil, 0
		r.RefreshedAt, r.ExpiresAt, r.NextRefreshAt = &e.ObtainedAt, &e.ExpiresAt, &e.NextRefreshAt
		r.Source, r.SessionEndsAt = e.Source, nil
		if !e.SessionEndsAt.IsZero() {
			r.SessionEndsAt = &e.SessionEndsAt
		}
	case renew.RenewFailed:
		r.ConsecutiveFailures, r.Error, r.NextRefreshAt = e.Attempt, problem(e, ""), &e.NextRefreshAt
		if r.State == Fresh {
			r.State = Failing
		}
	case renew.Expired:
		r.expire()
	}
}

// expire notes that the token has reached its end: a target that has it is not ok
// until it has the next one.
func (r *Registry) expire() {
	r.State = Expired
	for i := range r.Targets {
		if r.Targets[i].State == OK {
			r.Targets[i].State = Pending
		}
	}
}

// delivery takes an event of the target for one host.
func (t *Target) delivery(e renew.Event, host string) {
	switch e.Kind {
	case renew.Stored:
		stored := e.At
		t.State, t.StoredAt, t.Error, t.Warning = OK, &stored, nil, e.Warning
	case renew.Checked:
		t.State, t.Error = OK, nil
	case renew.StoreFailed, renew.CheckFailed, renew.RemoveFailed:
		t.State, t.Error = Failed, problem(e, host)
	case renew.Removed:
		t.State, t.StoredAt, t.Error, t.Warning = Pending, nil, nil, ""
	}
}

// problem picks the fault that concerns host; an empty host takes the first.
func problem(e renew.Event, host string) *Problem {
	for _, f := range fault.All(e.Err) {
		if host == "" || f.Concerns(host) {
			return &Problem{Reason: f.Reason, Message: f.Error(), Hint: f.Hint, At: e.At, Overruled: f.Overruled}
		}
	}
	return nil
}
