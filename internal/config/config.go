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
)

// Config is a configuration without problems. Its slices may share memory and
// are not to be changed; reading is safe for concurrent use.
type Config struct {
	Path    string // the file's name, as it was given
	Grants  []Grant
	Refresh Refresh
	Targets []Target
	Socket  Socket
	Log     Log
}

// Grant is one authorization token to be kept: all registries of one region
// that one identity opens. Grants and their hosts are in the file's order.
type Grant struct {
	Identity Identity
	Region   string // where the API is called; us-east-1 for ECR Public
	Public   bool
	Hosts    []Host // at least one, each name once
}

// Key names the grant by what its token depends on, so that it can be found
// again in the next version of the file. It is not for people.
func (g Grant) Key() string {
	key, err := json.Marshal(struct {
		Identity Identity
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

// Identity is the AWS principal that asks for a token, and the way it asks.
// Empty fields leave the decision to the AWS SDK's own chain.
type Identity struct {
	Profile        string
	RoleARNs       []string // assumed one from the other
	ExternalID     string   // sent with every role; empty without one
	SessionName    string   // empty without a role
	MFASerial      string   // set exactly when MFACommand is
	MFACommand     []string // prints the code
	EndpointURL    string   // of the ECR API; never together with FIPS or DualStack
	STSEndpointURL string   // never together with FIPS or DualStack
	FIPS           bool
	DualStack      bool
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

// The keys of every mapping but those of targets.
var (
	rootKeys     = []string{"registries", "aws", "refresh", "targets", "socket", "log"}
	registryKeys = []string{"region", "regions", "account", "accounts", "host", "hosts", "public", "aws", "targets", "allow"}
	awsKeys      = []string{"profile", "role_arn", "external_id", "session_name", "mfa", "endpoint_url", "sts_endpoint_url", "fips", "dual_stack"}
	mfaKeys      = []string{"serial", "code_command"}
	refreshKeys  = []string{"at", "jitter", "schedule", "timeout", "backoff"}
	backoffKeys  = []string{"initial", "max"}
	socketKeys   = []string{"path", "group", "mode", "allow"}
	allowKeys    = []string{"users", "groups"}
	logKeys      = []string{"level", "format"}
)

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
	keys, ok := root.mapping(rootKeys)
	if !ok {
		return
	}
	c.Targets = kinds.decode(keys)
	c.Refresh = decodeRefresh(keys)
	c.Socket = decodeSocket(keys)
	c.Log = decodeLog(keys)
	p := planner{base: decodeAWS(keys), byKey: map[string]int{}, byName: map[string][]place{}}
	for _, t := range c.Targets {
		p.targets = append(p.targets, t.Name)
	}
	if v, ok := keys["registries"]; ok {
		p.registries(v)
	} else {
		root.report("has no registries; write at least %s", smallestLine)
	}
	c.Grants = p.grants
}
