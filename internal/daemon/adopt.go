package daemon

import (
	"slices"
	"strings"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// adopt takes over the tokens of the generation before, grant by grant. Hosts
// that have moved to another identity keep the former one's token until there is
// one of their own: a good login is never replaced by nothing.
func (g *generation) adopt(old *generation) {
	before, after := old.byKey(), g.byKey()
	var gone []int // grants of old with a token that g has no longer
	for j, o := range old.config.Grants {
		if _, ok := old.renewers[j].Held(); ok && after[o.Key()] == nil {
			gone = append(gone, j)
		}
	}
	named := make(map[string]bool)
	for _, host := range g.hosts() {
		named[host] = true
	}
	for i, r := range g.renewers {
		grant := g.config.Grants[i]
		if same := before[grant.Key()]; same != nil {
			if t, ok := same.Held(); ok {
				r.Adopt(t, same.Former())
			}
		} else if from := old.predecessor(grant, gone, named); from != nil {
			if t, ok := from.Held(); ok { // unless it has just expired
				r.Adopt(t, true)
			}
		}
	}
}

func (g *generation) byKey() map[string]*renew.Renewer {
	m := make(map[string]*renew.Renewer, len(g.renewers))
	for i, r := range g.renewers {
		m[g.config.Grants[i].Key()] = r
	}
	return m
}

// predecessor finds the one grant among gone whose hosts the new grant has taken
// over; nil when there is none, or when there are several, for a token of one would
// then replace a good login of the other.
func (g *generation) predecessor(grant config.Grant, gone []int, named map[string]bool) *renew.Renewer {
	var found *renew.Renewer
	for _, j := range gone {
		o, r := g.config.Grants[j], g.renewers[j]
		if t, _ := r.Held(); o.Public != grant.Public || o.Region != grant.Region || !takesOver(grant, o, t, named) {
			continue
		}
		if found != nil {
			return nil
		}
		found = r
	}
	return found
}

// takesOver reports whether t, the token of o, logs in to a host of grant to
// which it did so before. Where grant leaves the account open, a host that another
// grant names is not meant.
func takesOver(grant, o config.Grant, t login.Token, named map[string]bool) bool {
	return slices.ContainsFunc(grant.Hosts, func(h config.Host) bool {
		host := t.For(h.Name).Host
		if strings.Contains(h.Name, login.OwnAccount) && named[host] {
			return false
		}
		return slices.ContainsFunc(o.Hosts, func(before config.Host) bool { return t.For(before.Name).Host == host })
	})
}
