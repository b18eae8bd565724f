package daemon

import (
	"slices"
	"strings"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
)

// adopt takes over the tokens of the generation before, grant by grant. Hosts
// that have moved to another identity keep the former one's token until there is
// one of their own: a good login is never replaced by nothing.
func (g *generation) adopt(old *generation) {
	for i, r := range g.renewers {
		grant := g.config.Grants[i]
		from := old.index(grant)
		former := from < 0
		if former {
			from = g.predecessor(grant, old)
		}
		if from < 0 {
			continue
		}
		if t, ok := old.renewers[from].Held(); ok {
			r.Adopt(t, former || old.renewers[from].Former())
		}
	}
}

// index finds the same grant; -1 when there is none.
func (g *generation) index(grant config.Grant) int {
	return slices.IndexFunc(g.config.Grants, func(o config.Grant) bool { return o.Key() == grant.Key() })
}

// predecessor finds the one grant of old that is gone and whose hosts a new
// grant of g has taken over; -1 when there is none, or when there are several, for
// a token of one would then replace a good login of the other.
func (g *generation) predecessor(grant config.Grant, old *generation) int {
	found := -1
	for j, o := range old.config.Grants {
		t, ok := old.renewers[j].Held()
		if !ok || o.Public != grant.Public || o.Region != grant.Region || g.index(o) >= 0 || !g.takesOver(grant, o, t) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = j
	}
	return found
}

// takesOver reports whether t, the token of o, logs in to a host of grant to
// which it did so before. Where grant leaves the account open, a host that another
// grant names is not meant.
func (g *generation) takesOver(grant, o config.Grant, t login.Token) bool {
	return slices.ContainsFunc(grant.Hosts, func(h config.Host) bool {
		host := t.For(h.Name).Host
		if strings.Contains(h.Name, login.OwnAccount) && slices.Contains(g.hosts(), host) {
			return false
		}
		return slices.ContainsFunc(o.Hosts, func(before config.Host) bool { return t.For(before.Name).Host == host })
	})
}
