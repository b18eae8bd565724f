// Package config reads the configuration file: it finds it, refuses one that
// others may write, and turns its YAML into checked values. It reports every
// problem of a file at once, each with its place, what was read and what to
// write instead. It fetches nothing, expands no variables, and apart from Find
// reads nothing of the environment. What the values lead to is not decided
// here: the daemon builds the sources, targets and renewers from them. Nor are
// kinds of targets known here: each reads its own options from a Block.
package config

import (
	"encoding/json"
	"io/fs"
	"time"

	"ecr-refreshd/internal/login"
)

// Config is a configuration without problems. Its slices may share memory and
// are not to be changed; reading is safe for concurrent use.
type Config struct {
	Path    string // the file's name, as it was given
	Grants  []Grant
	Refresh Refresh
	Targets []Target
	Socket  Socket
	HTTP    HTTP
	Log     Log
}

// Grant is one authorization token to be kept: all registries of one region
// that one identity opens. Grants and their hosts are in the file's order.
type Grant struct {
	Identity login.Identity
	Region   string // where the API is called; us-east-1 for ECR Public
	Public   bool
	Hosts    []Host // at least one, each name once
}

// Key names the grant by what its token depends on, so that it can be found
// again in the next version of the file. It is not for people.
func (g Grant) Key() string {
	key, err := json.Marshal(struct {
		Identity login.Identity
		Region   string
		Public   bool
	}{g.Identity, g.Region, g.Public})
	if err != nil {
		panic(err) // strings and booleans always marshal
	}
	return string(key)
}

// Host is a name to be kept logged in.
type Host struct {
	Name    string   // holds login.OwnAccount where the file names no account
	Account string   // 12 digits or login.OwnAccount; empty for ECR Public
	Region  string   // as in its Grant
	Targets []string // names out of Config.Targets, never empty
	Allow   Allow    // who gets its logins from the socket; empty means Config.Socket.Allow
	Line    int      // of the file, where the name comes from
}

// Refresh says when to renew.
type Refresh struct {
	At, Jitter                 float64  // shares of a token's life; Jitter is below At
	Schedule                   []string // cron lines that schedule.Parse accepts
	Timeout                    time.Duration
	BackoffInitial, BackoffMax time.Duration
}

// Target is a place that must always hold a valid login.
type Target struct {
	Name    string // unique
	Type    string // of its Kind
	Options Options
}

// Socket is the Unix socket of the local API. Empty fields stand for the
// defaults; Config.SocketMode knows that of Mode.
type Socket struct {
	Path  string      // absolute, at most 107 bytes; empty: decided by who runs the daemon
	Group string      // a name, or an id in decimal; empty: the daemon's own
	Mode  fs.FileMode // bits of 0666 only, at least 0600; 0 where the file writes none
	Allow Allow       // empty: the members of the socket's group
}

// Allow names who gets a secret, beside root and the daemon's own user. Each
// item is a name, or an id in decimal where it is all digits; both lists are
// sorted and hold each text once. Whether the names exist is not known here.
type Allow struct{ Users, Groups []string }

// Empty reports whether nobody is named, so that the default holds.
func (a Allow) Empty() bool { return len(a.Users)+len(a.Groups) == 0 }

// Log says what is logged and how.
type Log struct{ Level, Format string }

// Parse reads a configuration from data with targets of these kinds; name is the
// file's name for the messages. Its error is of type Problems and holds everything that is wrong.
// Parse is a pure function of its arguments, save that the time zones of
// schedules are looked up on this host.
func Parse(name string, data []byte, kinds Kinds) (*Config, error) {
	d := &decoder{file: name}
	c := &Config{Path: name}
	if root, ok := d.document(data); ok {
		d.config(root, c, kinds)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (d *decoder) config(root value, c *Config, kinds Kinds) {
	f := file{c: c, base: newBlock()}
	b := Block{at: root}
	b.Read(f.fields(kinds)...)
	if b.keys == nil {
		return
	}
	drafts := kinds.decode(f.targets)
	p := planner{base: f.base, byKey: map[string]int{}, byName: map[string][]place{}}
	for _, t := range drafts {
		c.Targets = append(c.Targets, t.Target)
		p.targets = append(p.targets, t.Name)
	}
	if f.registries.written() {
		p.registries(f.registries)
	} else {
		root.report("has no registries; write at least %s", smallestLine)
	}
	c.Grants = p.grants
	if len(d.problems) > 0 {
		return
	}
	for i := range drafts {
		drafts[i].checkHosts(c.Grants)
	}
}

// file is what a file says, but for what is already in its Config.
type file struct {
	c                   *Config
	base                block
	registries, targets value
}

// fields are the keys of the file as a whole.
func (f *file) fields(kinds Kinds) []Field {
	entry := entry{aws: newBlock()}
	return []Field{
		raw("registries", "What to be logged in to.", &f.registries, shape{form: aList, least: 1, fields: entry.fields()}),
		f.base.field(new(map[string]value)),
		f.c.Refresh.field(),
		kinds.field(&f.targets),
		f.c.Socket.field(),
		f.c.HTTP.field(),
		f.c.Log.field(),
	}
}
