package page

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"slices"
	"time"

	"ecr-refreshd/internal/status"
)

const (
	// first is how many rows of a kind are shown unless all are asked for, so that neither
	// the daemon nor a browser has much to do for a page that is looked at all day.
	first = 50
	// every is how often the page brings itself up to date, and rarely where all rows of
	// very many are shown.
	every, rarely = 10 * time.Second, 60 * time.Second
	// without is the same for a browser without JavaScript, which loses the reader's place.
	without = 30 * time.Second
)

// view is the page as the template shows it.
type view struct {
	Mood     string // well, wait, warn or bad
	Title    string
	Icon     template.URL
	Headline string
	Next     *moment // renewal of all; nil for none
	Now      moment
	Every    int // seconds
	Without  int // seconds
	Version  string
	Started  moment
	Path     string
	Loaded   moment
	Problems []problem
	Unshown  int // problems that are not shown
	Sections []section
	Letters  []letter // the legend of the strips
}

// section is a table of hosts.
type section struct {
	ID    string
	Title string
	Rows  []row
	More  string // how many others there are, in words; empty for none
}

// row is one host.
type row struct {
	ID       string
	Host     []string // in parts, between which a line may break
	Identity string
	State    string
	Left     int    // percent of the token's life
	Life     string // in words, before the moment
	Ends     *moment
	Renewal  *moment
	Problem  *link // of the token
	Targets  []aim
	Day      day
}

// aim is one target of a row.
type aim struct {
	Name, State string
	Stored      *moment
	Problems    []link
}

// link leads to a problem.
type link struct{ ID, Text string }

// moment is a time as people and as programs read it.
type moment struct{ Relative, Absolute, Machine string }

func at(t, now time.Time) moment {
	relative := "now"
	switch d := t.Sub(now); {
	case d >= time.Second:
		relative = "in " + span(d)
	case d <= -time.Second:
		relative = span(-d) + " ago"
	}
	return moment{relative, t.Format("2006-01-02 15:04:05 MST"), t.UTC().Format(time.RFC3339)}
}

func atOrNil(t *time.Time, now time.Time) *moment {
	if t == nil {
		return nil
	}
	m := at(*t, now)
	return &m
}

// look arranges r as it is at now; all is whether every host is to be shown.
func look(r status.Report, now time.Time, all bool) view {
	v := view{
		Now: at(now, now), Every: int(every.Seconds()), Without: int(without.Seconds()),
		Version: clean(r.Version), Started: at(r.StartedAt, now),
		Path: clean(r.Config.Path), Loaded: at(r.Config.LoadedAt, now), Letters: letters,
	}
	most := first
	if all {
		most = len(r.Registries)
		if most > 10*first {
			v.Every = int(rarely.Seconds())
		}
	}
	hosts := slices.Clone(r.Registries)
	status.WorstFirst(hosts)
	g := gather(r, hosts, now)
	problems := g.sorted()
	v.Problems = problems[:min(len(problems), shown)]
	v.Unshown = len(problems) - len(v.Problems)

	var bad, rest []int // indices in hosts
	total := sum{all: len(hosts)}
	var next *time.Time
	for i, h := range hosts {
		if at := h.NextRefreshAt; at != nil && (next == nil || at.Before(*next)) {
			next = at
		}
		if g.concerns(i) {
			bad = append(bad, i)
		} else {
			rest = append(rest, i)
		}
		switch {
		case h.Well():
		case !g.concerns(i):
			total.waiting++
		default:
			total.needy++
			switch {
			case h.State == status.Expired || h.State == status.Pending:
				total.without++
			case h.Stored():
				total.held++
			}
		}
	}
	v.Headline, v.Mood = headline(total, len(problems), slices.ContainsFunc(problems, func(p problem) bool { return p.rank == socket }))
	v.Title, v.Icon = title(v.Mood, total.needy), icons[v.Mood]
	if v.Mood != "bad" { // among hosts in trouble, it would be an attempt
		v.Next = atOrNil(next, now)
	}
	taken := make(map[string]int)
	add := func(id, title string, these []int) {
		if len(these) == 0 {
			return
		}
		s := section{ID: id, Title: title}
		for _, i := range these[:min(len(these), most)] {
			row := rowOf(hosts[i], g.links[i], r.StartedAt, now)
			if taken[row.ID]++; taken[row.ID] > 1 { // two identities for one host
				row.ID = fmt.Sprintf("%s-%d", row.ID, taken[row.ID])
			}
			s.Rows = append(s.Rows, row)
		}
		if more := len(these) - len(s.Rows); more > 0 {
			s.More = count(more, "more registry", "more registries")
		}
		v.Sections = append(v.Sections, s)
	}
	add("attention", "Needs attention", bad)
	add("rest", others(len(rest), total.waiting), rest)
	return v
}

// others is the title of the hosts that need nobody.
func others(all, waiting int) string {
	switch waiting {
	case 0:
		return count(all, "registry is well", "registries are well")
	case all:
		return count(all, "registry is being logged in", "registries are being logged in")
	}
	return count(waiting, "registry is being logged in", "registries are being logged in") + ", " + count(all-waiting, "is well", "are well")
}

func rowOf(h status.Registry, links links, since, now time.Time) row {
	r := row{ID: id("h", h.Host), Host: parts(clean(h.Host)), Identity: clean(h.Identity), State: clean(string(h.State)), Problem: links.token,
		Ends: atOrNil(h.ExpiresAt, now), Renewal: atOrNil(h.NextRefreshAt, now), Day: dayOf(h.LastDay, since, now, h.Well())}
	switch {
	case h.ExpiresAt == nil:
		r.Life = "no token yet"
	case h.State == status.Expired, !h.ExpiresAt.After(now):
		r.Life = "expired"
	default:
		r.Life = "ends"
		r.Left = 100
		if h.RefreshedAt != nil {
			if life := h.ExpiresAt.Sub(*h.RefreshedAt); life > 0 {
				r.Left = min(int(100*h.ExpiresAt.Sub(now)/life), 100)
			}
		}
	}
	for i, t := range h.Targets {
		a := aim{Name: clean(t.Name), State: clean(string(t.State)), Stored: atOrNil(t.StoredAt, now)}
		if links.targets != nil {
			a.Problems = links.targets[i]
		}
		r.Targets = append(r.Targets, a)
	}
	return r
}

// id makes a name for an element that stays the same for the same text.
func id(prefix, text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return fmt.Sprintf("%s%x", prefix, h.Sum64())
}
