package config

import (
	"slices"
	"strings"

	"ecr-refreshd/internal/login"
)

// planned is a host and the place in the file that it comes from.
type planned struct {
	Host
	at value
}

// place is where a host has got to.
type place struct{ grant, host int }

// add puts hosts into the grant with g's key. A host that is there already
// gets the targets of both. Who may have logins of a grant must be the same for
// all its hosts, as its one token opens them all. A host that another identity
// keeps in one of the same targets is a problem: the two would overwrite each other
// for ever.
func (p *planner) add(g Grant, hosts []planned) {
	if len(hosts) == 0 {
		return
	}
	key := g.Key()
	n, ok := p.byKey[key]
	if !ok {
		n = len(p.grants)
		p.byKey[key] = n
		p.grants = append(p.grants, g)
	} else if first := p.grants[n].Hosts[0]; !first.Allow.equal(hosts[0].Allow) {
		hosts[0].at.report("%s has another allow than the entry in line %d, but one token opens both, so who may have one has both; "+
			"write the same allow in both entries, or another identity under aws", hosts[0].Name, first.Line)
	}
	for _, h := range hosts {
		name := registryName(g, h.Name)
		mine := -1
		for i, pl := range p.byName[name] {
			if pl.grant == n {
				mine = i
			}
		}
		switch {
		case p.conflicts(n, h, p.byName[name]):
		case mine < 0:
			p.byName[name] = append(p.byName[name], place{n, len(p.grants[n].Hosts)})
			p.grants[n].Hosts = append(p.grants[n].Hosts, h.Host)
		default:
			before := &p.grants[n].Hosts[p.byName[name][mine].host]
			before.Targets = p.union(before.Targets, h.Targets)
		}
	}
}

// conflicts reports whether h, in the grant n, is in one of the same targets by
// another grant.
func (p *planner) conflicts(n int, h planned, places []place) bool {
	for _, pl := range places {
		other := p.grants[pl.grant].Hosts[pl.host]
		if pl.grant == n || !slices.ContainsFunc(h.Targets, func(t string) bool { return slices.Contains(other.Targets, t) }) {
			continue
		}
		h.at.report("%s is also asked for in line %d, with another aws block or region; write the same for both, or give them different targets",
			h.Name, other.Line)
		return true
	}
	return false
}

// registryName makes one registry of what has the same name in two grants. The
// account of a token is another one for another principal, but the same where
// only the way of asking differs.
func registryName(g Grant, host string) string {
	if !strings.Contains(host, login.OwnAccount) {
		return host
	}
	g.Identity.EndpointURL, g.Identity.STSEndpointURL = "", ""
	g.Identity.FIPS, g.Identity.DualStack = false, false
	return host + g.Key()
}

// union gives the targets of both lists, in the order of the configuration.
func (p *planner) union(a, b []string) []string {
	var names []string
	for _, t := range p.targets {
		if slices.Contains(a, t) || slices.Contains(b, t) {
			names = append(names, t)
		}
	}
	return names
}
