package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ecr-refreshd/internal/status"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printRegistries prints a row a host, with what needs a person first.
func printRegistries(w io.Writer, registries []status.Registry, now time.Time) error {
	rows := slices.Clone(registries)
	slices.SortStableFunc(rows, func(a, b status.Registry) int { return trouble(b) - trouble(a) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tTOKEN\tEXPIRES IN\tTARGETS")
	for _, r := range rows {
		expires := "-"
		if r.ExpiresAt != nil {
			expires = span(r.ExpiresAt.Sub(now))
		}
		targets := make([]string, len(r.Targets))
		for i, target := range r.Targets {
			targets[i] = fmt.Sprintf("%s %s", target.Name, target.State)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Host, r.State, expires, strings.Join(targets, ", "))
	}
	return t.Flush()
}

// trouble ranks a row.
func trouble(r status.Registry) int {
	switch {
	case r.State == status.Expired || r.State == status.Pending:
		return 3
	case r.State == status.Failing:
		return 2
	case slices.ContainsFunc(r.Targets, func(t status.Target) bool { return t.State != status.OK }):
		return 1
	}
	return 0
}

// problemLines says each different problem once, with the hosts it is about.
func problemLines(registries []status.Registry) []string {
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
	for i, l := range lines {
		lines[i] = fmt.Sprintf("%s: %s", few(hosts[l]), l)
	}
	return lines
}

// few names the first of many.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// span says a duration as people do: "5h 12m", "41s".
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d <= 0:
		return "over"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
}
