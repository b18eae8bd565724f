package clientview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// content is what the files of all clients have in common.
type content struct {
	client string // whose reading it is, for texts
	name   string // the path, for texts
	legacy bool   // a ~/.dockercfg: nothing but entries
	lines  map[[2]string]int
	fault  *fault.Error // why the client gives up the file, without hosts; nil when it does not
}

// place is where a key of the first two levels stands.
func (c *content) place(path ...string) Place {
	at := [2]string{strings.ToLower(path[0])}
	copy(at[1:], path[1:])
	if c.name == authVariable {
		return Place{Key: authVariable + ": " + keyText(path)}
	}
	p := Place{File: c.name, Line: c.lines[at], Key: keyText(path)}
	if c.legacy && len(path) > 1 {
		p.Line, p.Key = c.lines[[2]string{strings.ToLower(path[1])}], strings.TrimPrefix(p.Key, path[0])
	}
	return p
}

// about is the fault of the file, for a host.
func (c *content) about(host string) *fault.Error {
	e := *c.fault
	e.Hosts = []string{host}
	return &e
}

// drop is the hint to delete an entry.
func (c *content) drop(key string) string {
	return fmt.Sprintf("delete the entry %q under \"auths\" in %s", printable(key), c.name)
}

// keysOf are the keys of auths that mean the host, given in any order: with the exact one
// there, that is first; without, the client takes any of them.
func keysOf[V any](auths map[string]V, host string, given []string) (keys []string) {
	keys = slices.DeleteFunc(slices.Clone(given), func(key string) bool { return key == host })
	slices.Sort(keys)
	if _, exact := auths[host]; exact {
		keys = slices.Insert(keys, 0, host)
	}
	return keys
}

// meaning are the keys of auths that mean the host.
func meaning[V any](auths map[string]V, host string, hostOf func(key string) string) (keys []string) {
	for key := range auths {
		if hostOf(key) == host {
			keys = append(keys, key)
		}
	}
	return keys
}

// pick says which of the keys, of which there is one, the client takes for the host, and
// what it finds there with read. The fault is set where it takes any of several logins.
func (c *content) pick(host, exact string, keys []string, read func(key string) (types.AuthConfig, error)) (l Login, chosen types.AuthConfig, err error) {
	l = Login{Place: c.place("auths", keys[0])}
	chosen, err = read(keys[0])
	l.Username, l.Secret = chosen.Username, login.NewSecret(chosen.Password)
	for _, other := range keys[1:] {
		if keys[0] == exact {
			l.hides(c.place("auths", other))
		} else if e, _ := read(other); e.Username != chosen.Username || e.Password != chosen.Password {
			l.hides(c.place("auths", other))
			l.Chance = true
		}
	}
	if l.Chance {
		l.Fault = wrong(host, fmt.Sprintf("delete all of them but one, and name that %q", host), nil,
			"%s takes the login of %q at random from %s in %q", c.client, host, list(append([]Place{l.Place}, l.Hidden...)), c.name)
	}
	return l, chosen, err
}
