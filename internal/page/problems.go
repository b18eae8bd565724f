package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

const (
	shown = 30 // problems
	named = 5  // hosts of a problem
	// anyRegion stands for the region in a hint for hosts of several.
	anyRegion = "REGION"
)

// problem is one thing to do, for all hosts for which it is the same.
type problem struct {
	ID      string
	Grave   bool // pulls fail, or will
	Warning bool // the hint says what is wrong, too
	Title   string
	Effect  string
	Message string
	Similar int // other messages
	Hint    []part
	At      *moment
	Next    *moment // attempt
	Hosts   []string
	More    int // hosts that are not named

	rank    int
	hint    string
	regions map[string]bool // in which it is the same but for the region's name
	said    map[string]bool
	seen    time.Time
	next    *time.Time
	ends    *time.Time // of the first token to end
}

// Ranks: what hurts most comes first.
const (
	expired = iota
	none
	socket
	failing
	undelivered
	config
	clock
	warning
)

// grouped are problems, one for what is wrong with several hosts for the same reason.
type grouped struct {
	now   time.Time
	byKey map[string]*problem
	links []links // of the hosts
}

// links lead from a host to its problems.
type links struct {
	token   *link
	targets [][]link // nil, or of each target
}

// concerns reports whether the host of this index has a problem.
func (g *grouped) concerns(host int) bool {
	return g.links[host].token != nil || g.links[host].targets != nil
}

// gather finds the problems of r, whose hosts these are.
func gather(r status.Report, hosts []status.Registry, now time.Time) *grouped {
	g := &grouped{now: now, byKey: make(map[string]*problem), links: make([]links, len(hosts))}
	general := func(p *status.Problem, rank int, title, effect string) {
		if p != nil {
			g.add(status.Registry{}, rank, title, effect, "", p)
		}
	}
	general(r.Config.Error, config, "The changed configuration is not in force",
		"It has an error. Pulls work: the configuration that was loaded "+at(r.Config.LoadedAt, now).Relative+" stays active until the next start, which would fail.")
	general(r.Socket.Error, socket, "New clients cannot connect", "Pulls that use the credential helper fail.")
	general(r.HTTP.Problem(), config, "This page and the metrics are not where the configuration has them", "Pulls work.")
	if slices.ContainsFunc(r.Registries, func(h status.Registry) bool { return h.ClockWrong }) {
		general(&status.Problem{Message: "the expiry of a token, as AWS reports it, cannot be true on this clock",
			Hint: "set the clock: `timedatectl set-ntp true`; until then tokens are renewed as if they lived 12 hours from now"},
			clock, "The clock of this machine is wrong", "")
	}
	for i, h := range hosts {
		if h.Error != nil || h.State == status.Expired || h.State == status.Failing {
			p := g.token(h)
			g.links[i].token = &link{p.ID, p.Title}
		}
		for j, t := range h.Targets {
			name := clean(t.Name)
			note := func(p *problem) {
				if g.links[i].targets == nil {
					g.links[i].targets = make([][]link, len(h.Targets))
				}
				g.links[i].targets[j] = append(g.links[i].targets[j], link{p.ID, p.Title})
			}
			if t.Error != nil {
				title, effect := target(t.Error.Reason, name)
				note(g.add(h, undelivered, title, effect, name, t.Error))
			}
			if t.Warning != "" {
				note(g.add(h, warning, "A warning about "+name, "", name, &status.Problem{Hint: t.Warning}))
			}
		}
	}
	return g
}

// token notes that h has no token, or none to follow the one that it has.
func (g *grouped) token(h status.Registry) *problem {
	rank, effect := failing, "Pulls still work until the token ends."
	switch h.State {
	case status.Expired:
		rank, effect = expired, "The token has expired: pulls fail."
	case status.Pending:
		rank, effect = none, "Pulls fail: there has been no token since the program started."
	}
	e := h.Error
	if e == nil {
		e = &status.Problem{Message: "the token has not been renewed yet"}
	}
	p := g.add(h, rank, token(e.Reason), effect, "", e)
	if n := h.NextRefreshAt; n != nil && (p.next == nil || n.Before(*p.next)) {
		p.next = n
	}
	if n := h.ExpiresAt; n != nil && (p.ends == nil || n.Before(*p.ends)) {
		p.ends = n
	}
	return p
}

// add puts a fault of h with others that are alike: they need the same to be done. The zero
// h stands for all hosts.
func (g *grouped) add(h status.Registry, rank int, title, effect, target string, e *status.Problem) *problem {
	hint, message, host := clean(e.Hint), clean(e.Message), clean(h.Host)
	same := cmp.Or(hint, message) // without a hint, what went wrong must be the same
	if h.Region != "" {
		same = strings.ReplaceAll(same, h.Region, anyRegion)
	}
	key := strings.Join([]string{fmt.Sprint(rank), title, target, same}, "\x00")
	p := g.byKey[key]
	if p == nil {
		p = &problem{ID: id("p", key), Title: title, Effect: effect, Message: message, Grave: rank < config && rank != failing, Warning: rank == warning,
			rank: rank, hint: hint, regions: make(map[string]bool), said: make(map[string]bool)}
		g.byKey[key] = p
	}
	p.regions[h.Region], p.said[message] = true, true
	if host != "" && !slices.Contains(p.Hosts, host) {
		if len(p.Hosts) < named {
			p.Hosts = append(p.Hosts, host)
		} else {
			p.More++
		}
	}
	if e.At.After(p.seen) {
		p.seen = e.At
	}
	return p
}

func (g *grouped) sorted() []problem {
	all := make([]problem, 0, len(g.byKey))
	for _, p := range g.byKey {
		if !p.seen.IsZero() {
			p.At = atOrNil(&p.seen, g.now)
		}
		p.Next = atOrNil(p.next, g.now)
		p.Similar = len(p.said) - 1
		if len(p.regions) > 1 {
			for region := range p.regions {
				p.hint = strings.ReplaceAll(p.hint, region, anyRegion)
			}
		}
		p.Hint = inParts(p.hint)
		ends, expires := "the token ends ", "the token expired "
		if len(p.Hosts) > 1 {
			ends, expires = "the first of the tokens ends ", "the tokens have expired, the first "
		}
		if p.ends != nil {
			when := at(*p.ends, g.now).Relative + " (" + p.ends.Format("15:04 MST") + ")."
			switch p.rank {
			case failing:
				p.Effect = "Pulls still work, until " + ends + when
			case expired:
				p.Effect = "Pulls fail: " + expires + when
			}
		}
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.More+len(b.Hosts), a.More+len(a.Hosts)), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// token is what is wrong when one cannot be fetched.
func token(r fault.Reason) string {
	switch r {
	case fault.Network:
		return "AWS cannot be reached"
	case fault.Throttled:
		return "AWS asks for fewer calls"
	case fault.Denied:
		return "AWS refuses to give a token"
	case fault.Credentials:
		return "There are no usable AWS credentials"
	case fault.Local:
		return "A problem on this host keeps the token from being fetched"
	case fault.Invalid:
		return "AWS sent an answer that makes no sense"
	}
	return "The token was not renewed"
}

// target is what is wrong when one does not take a login, and what that means.
func target(r fault.Reason, name string) (title, effect string) {
	switch r {
	case fault.Rejected:
		return "The registry refuses the login of " + name, "The token is there, but pulls with it fail."
	case fault.Engine:
		return "The Docker Engine of " + name + " cannot be reached", "The token is there. Whether pulls work is not known."
	case fault.Network:
		return name + " cannot reach the registry", "The token is there. Pulls from here fail as long as the registry cannot be reached."
	case fault.Local:
		return "The login cannot be stored in " + name, "The token is there, but not in " + name + ". Programs that read it there have the login before, until that expires, or none."
	}
	return "The login did not get into " + name, "The token is there, but not in " + name + ". Programs that get it there have the login before, until that expires, or none."
}
