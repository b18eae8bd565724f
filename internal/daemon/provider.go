package daemon

import (
	"fmt"
	"strings"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/renew"
)

// provider is the grant whose token opens a host, and the rule who may have it.
type provider struct {
	*renew.Renewer
	name string // as configured; the account may be open
	rule *peerauth.Rule
}

// providers finds the providers of a host. There are several where different identities
// open it for different targets or users; they are tried in the file's order.
type providers struct {
	all    []provider
	byName map[string][]provider // without those whose account is open
	open   []provider            // only those
}

func newProviders(c *config.Config, renewers []*renew.Renewer, directory *peerauth.Directory) providers {
	found := providers{byName: make(map[string][]provider)}
	made := make(map[string]*peerauth.Rule)
	for i, grant := range c.Grants {
		for _, h := range grant.Hosts {
			allow := allowed(c.Socket, h.Allow)
			key := fmt.Sprintf("%q", allow) // equal rules are one, so that names are looked up once
			if made[key] == nil {
				made[key] = directory.Rule(allow.Users, allow.Groups)
			}
			p := provider{renewers[i], h.Name, made[key]}
			found.all = append(found.all, p)
			if strings.Contains(h.Name, login.OwnAccount) {
				found.open = append(found.open, p)
			} else {
				found.byName[h.Name] = append(found.byName[h.Name], p)
			}
		}
	}
	return found
}

// allowed says who beyond root and this process's own user gets the secret of a
// host: whom the registry allows, else whom the socket allows, else the socket's
// group.
func allowed(s config.Socket, own config.Allow) config.Allow {
	switch {
	case !own.Empty():
		return own
	case s.Allow.Empty() && s.Group != "":
		return config.Allow{Groups: []string{s.Group}}
	}
	return s.Allow
}

// of returns the providers of host, and of those whose account is not known yet such as
// may turn out to be.
func (ps providers) of(host string) []provider {
	found := ps.byName[host]
	for _, p := range ps.open {
		if t, held := p.Held(); held && t.For(p.name).Host == host || !held && mayBe(p.name, host) {
			found = append(found[:len(found):len(found)], p)
		}
	}
	return found
}
