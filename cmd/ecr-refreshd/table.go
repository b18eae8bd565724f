package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"ecr-refreshd/internal/status"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// paint colours a text for a terminal; nil leaves it as it is.
type paint func(colour, text string) string

// The colours of a terminal, as SGR parameters.
const (
	red, green, yellow, faint = "31", "32", "33", "2"
)

// painter gives colours where w is a terminal that wants them; see no-color.org.
func painter(w io.Writer) paint {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return func(_, text string) string { return text }
	}
	return func(colour, text string) string { return "\x1b[" + colour + "m" + text + "\x1b[0m" }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printRegistries prints a row a host, with what needs a person first.
func printRegistries(w io.Writer, registries []status.Registry, now time.Time, colour paint) error {
	rows := slices.Clone(registries)
	status.WorstFirst(rows)
	lines := [][]cell{{{"HOST", faint}, {"TOKEN", faint}, {"EXPIRES IN", faint}, {"RENEWAL IN", faint}, {"TARGETS", faint}}}
	for _, r := range rows {
		targets := make([]string, len(r.Targets))
		for i, target := range r.Targets {
			targets[i] = fmt.Sprintf("%s %s", target.Name, target.State)
		}
		lines = append(lines, []cell{{r.Host, ""}, {string(r.State), stateColour(r.State)}, {until(r.ExpiresAt, now, "expired %s ago"), ""},
			{until(r.NextRefreshAt, now, "now"), ""}, {strings.Join(targets, ", "), targetsColour(r)}})
	}
	if !slices.ContainsFunc(rows, func(r status.Registry) bool { return r.NextRefreshAt != nil }) { // nobody renews
		for i, l := range lines {
			lines[i] = slices.Delete(l, 3, 4)
		}
	}
	_, err := io.WriteString(w, align(lines, colour))
	return err
}

// cell is a text and its colour, "" for none.
type cell struct{ text, colour string }

// align puts cells below each other. Colours take no room, which text/tabwriter
// does not know.
func align(lines [][]cell, colour paint) string {
	widths := make(map[int]int)
	for _, line := range lines {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		for i, c := range line {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2)
			if i == len(line)-1 {
				gap = "\n"
			}
			if c.colour != "" {
				c.text = colour(c.colour, c.text)
			}
			b.WriteString(c.text + gap)
		}
	}
	return b.String()
}

func stateColour(s status.State) string {
	switch s {
	case status.Fresh, status.OK:
		return green
	case status.Pending, status.Failing:
		return yellow
	}
	return red
}

// targetsColour is that of the worst of them; what is well needs none.
func targetsColour(r status.Registry) string {
	colour := ""
	for _, t := range r.Targets {
		switch t.State {
		case status.Failed:
			return red
		case status.Pending:
			colour = yellow
		}
	}
	return colour
}

// until says how far away a time is, or passed once it has passed, in which %s is
// how long ago that was.
func until(t *time.Time, now time.Time, passed string) string {
	switch {
	case t == nil:
		return "-"
	case !t.After(now):
		return strings.ReplaceAll(passed, "%s", status.Span(now.Sub(*t)))
	}
	return status.Span(t.Sub(now))
}

// trouble is something that is wrong, as people read it.
type trouble struct{ hosts, text string }

// troubles gives each different problem once, with the hosts it is about.
func troubles(registries []status.Registry) []trouble {
	var lines []string
	hosts := make(map[string][]string)
	note := func(host string, p *status.Problem) {
		if p == nil {
			return
		}
		l := line(p.Message, p.Hint)
		if hosts[l] == nil {
			lines = append(lines, l)
		}
		if !slices.Contains(hosts[l], host) {
			hosts[l] = append(hosts[l], host)
		}
	}
	for _, r := range registries {
		note(r.Host, r.Error)
		for _, t := range r.Targets {
			note(r.Host, t.Error)
		}
	}
	all := make([]trouble, len(lines))
	for i, l := range lines {
		all[i] = trouble{few(hosts[l]), l}
	}
	return all
}

// printWarnings prints what a person should do about the targets' places.
func printWarnings(w io.Writer, registries []status.Registry, colour paint) {
	for _, t := range warnings(registries) {
		fmt.Fprintf(w, "\n%s: %s\n", colour(yellow, t.Name), t.Warning)
	}
}

// warnings gives each target that has a warning once.
func warnings(registries []status.Registry) []status.Target {
	var all []status.Target
	for _, r := range registries {
		for _, t := range r.Targets {
			known := func(o status.Target) bool { return o.Name == t.Name }
			if t.Warning != "" && !slices.ContainsFunc(all, known) {
				all = append(all, t)
			}
		}
	}
	return all
}

// few names the first of many.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
