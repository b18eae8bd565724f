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
	// open is how many rows of a kind are shown at once; the others are folded, so that a
	// browser has little to lay out.
	open = 50
	// every is how often the page brings itself up to date, and rarely where it is large.
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
	Detail   *moment // the next renewal of all; nil for none
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
	ID     string
	Title  string
	Rows   []row
	Folded bool
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
	Targets  []aim
	Problems []link
	Day      day
}

// aim is one target of a row.
type aim struct {
	Name, State string
	Stored      *moment
}

// link leads to a problem.
type link struct{ ID, Text string }

// moment is a time as people and as programs read it.
type moment struct{ Relative, Absolute, Machine string }

func at(t, now time.Time) moment {
	relative := "now"
	switch d := t.Sub(now); {
	case d >= time.Second/2:
		relative = "in " + status.Span(d)
	case d <= -time.Second/2:
		relative = status.Span(-d) + " ago"
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

// look arranges r as it is at now.
func look(r status.Report, now time.Time) view {
	v := view{
		Now: at(now, now), Every: int(every.Seconds()), Without: int(without.Seconds()),
		Version: clean(r.Version), Started: at(r.StartedAt, now),
		Path: clean(r.Config.Path), Loaded: at(r.Config.LoadedAt, now), Letters: letters,
	}
	if len(r.Registries) > 10*open {
		v.Every = int(rarely.Seconds())
	}
	hosts := slices.Clone(r.Registries)
	status.WorstFirst(hosts)
	problems, links := gather(r, hosts, now)
	v.Problems = problems[:min(len(problems), shown)]
	v.Unshown = len(problems) - len(v.Problems)

	var bad, rest []row
	needy, waiting := 0, 0
	taken := make(map[string]int)
	for i, h := range hosts {
		row := rowOf(h, now)
		row.ID = id("h", h.Host)
		if taken[row.ID]++; taken[row.ID] > 1 { // two identities for one host
			row.ID = fmt.Sprintf("%s-%d", row.ID, taken[row.ID])
		}
		row.Problems = links[i]
		switch {
		case len(links[i]) > 0:
			bad = append(bad, row)
			if !h.Well() {
				needy++
			}
		case !h.Well():
			waiting++
			fallthrough
		default:
			rest = append(rest, row)
		}
		if next := h.NextRefreshAt; next != nil && (v.Detail == nil || next.UTC().Format(time.RFC3339) < v.Detail.Machine) {
			v.Detail = atOrNil(next, now)
		}
	}
	v.Headline, v.Mood = headline(len(hosts), needy, waiting, len(problems))
	v.Title, v.Icon = title(v.Mood, needy, len(problems)), icons[v.Mood]
	v.Sections = sections(bad, rest, waiting)
	return v
}

// sections folds what is too much to be seen at once.
func sections(bad, rest []row, waiting int) []section {
	var all []section
	first := bad[:min(len(bad), open)]
	if len(first) > 0 {
		all = append(all, section{ID: "attention", Title: "Needs attention", Rows: first})
	}
	if more := bad[len(first):]; len(more) > 0 {
		all = append(all, section{ID: "more", Title: count(len(more), "more host needs attention", "more hosts need attention"), Rows: more, Folded: true})
	}
	if len(rest) > 0 {
		title := count(len(rest), "host is well", "hosts are well")
		if waiting > 0 {
			title = count(len(rest), "host is well or is being logged in", "hosts are well or are being logged in")
		}
		all = append(all, section{ID: "well", Title: title, Rows: rest, Folded: len(rest) > open})
	}
	return all
}

func rowOf(h status.Registry, now time.Time) row {
	r := row{Host: parts(clean(h.Host)), Identity: clean(h.Identity), State: string(h.State),
		Ends: atOrNil(h.ExpiresAt, now), Renewal: atOrNil(h.NextRefreshAt, now), Day: dayOf(h.LastDay, now)}
	switch {
	case h.ExpiresAt == nil:
		r.Life = "no token yet"
	case !h.ExpiresAt.After(now):
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
	for _, t := range h.Targets {
		r.Targets = append(r.Targets, aim{clean(t.Name), string(t.State), atOrNil(t.StoredAt, now)})
	}
	return r
}

// id makes a name for an element that stays the same for the same text.
func id(prefix, text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return fmt.Sprintf("%s%x", prefix, h.Sum64())
}
