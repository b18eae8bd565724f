package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ecr-refreshd/internal/status"
)

// style is what a terminal can show.
type style struct {
	colour  paint
	unicode bool
}

// page is what --watch shows on a terminal: a report, or that nobody answers.
type page struct {
	style
	report *status.Report // nil before the first answer, and while there is none
	why    string         // there is none
	since  time.Time      // there has been none
}

// update takes what the next answer has brought.
func (p *page) update(next page) {
	if next.report == nil && p.report == nil && p.why != "" {
		next.since = p.since
	}
	p.report, p.why, p.since = next.report, next.why, next.since
}

// lines are those of a terminal of this size: the hosts that need a person first, and below them
// what is wrong; what has no room is counted.
func (p *page) lines(now time.Time, width, height int) []string {
	var all []string
	switch {
	case p.report != nil:
		all = p.reported(now, width, height)
	case p.why != "":
		all = []string{p.title("ecr-refreshd", now, width), "",
			p.colour(red, cut(fmt.Sprintf("no answer for %s; asking again every %s", status.Span(now.Sub(p.since)), status.Span(watchInterval)), width, p.etc()))}
		all = append(all, wrap(p.why, width)...)
	default:
		all = []string{p.title("ecr-refreshd", now, width), "", "asking the daemon" + p.etc()}
	}
	return all[:min(len(all), height)]
}

func (p *page) reported(now time.Time, width, height int) []string {
	r := p.report
	rows := slices.Clone(r.Registries)
	status.WorstFirst(rows)
	head := []string{p.title(fmt.Sprintf("ecr-refreshd %s, up for %s", r.Version, status.Span(now.Sub(r.StartedAt))), now, width),
		cut(tally(rows), width, p.etc())}
	add := func(what string, problem *status.Problem) {
		if problem != nil {
			for _, l := range wrap(what+": "+line(problem.Message, problem.Hint), width) {
				head = append(head, p.colour(red, l))
			}
		}
	}
	add("the changed configuration was rejected; the previous one stays active", r.Config.Error)
	add("new clients cannot connect", r.Socket.Error)
	add("metrics and the page do not listen as configured", r.HTTP.Problem())
	head = append(head, "")

	wrong := p.wrong(rows, width)
	room := height - len(head) - 1 // below the line with the columns' names
	forWrong := len(wrong)
	if len(rows)+len(wrong) > room {
		forWrong = min(len(wrong), max(room/2, room-len(rows), 0))
	}
	forRows := min(max(room-forWrong, 1), len(rows))
	if forRows < len(rows) {
		forRows = max(forRows-1, 0)
	}
	all := append(head, p.table(rows[:forRows], now, width)...)
	if hidden := rows[forRows:]; len(hidden) > 0 {
		all = append(all, p.colour(faint, cut(fmt.Sprintf("%s %s more%s", p.etc(), status.Number(len(hidden)), how(hidden)), width, p.etc())))
	}
	if forWrong < len(wrong) {
		wrong = wrong[:max(forWrong-1, 0)]
		if forWrong > 1 {
			wrong = append(wrong, p.colour(faint, cut(p.etc()+" run `ecr-refreshd status` for the rest", width, p.etc())))
		}
	}
	return append(all, wrong...)
}

// title is the first line: what runs, the time, and the way out.
func (p *page) title(left string, now time.Time, width int) string {
	right := now.Format("15:04:05") + "  q quits"
	gap := width - utf8.RuneCountInString(left) - len(right)
	if gap < 2 {
		return cut(left, width, p.etc())
	}
	return left + strings.Repeat(" ", gap) + p.colour(faint, right)
}

// wrong are the lines below the table: each problem once, and what is weak about targets.
func (p *page) wrong(registries []status.Registry, width int) []string {
	var all []string
	block := func(colour, about, text string) {
		for i, l := range wrap(about+": "+text, width) {
			if rest, ok := strings.CutPrefix(l, about); ok && i == 0 {
				l = p.colour(colour, about) + rest
			}
			all = append(all, l)
		}
	}
	for _, t := range troubles(registries) {
		block(red, t.hosts, t.text)
	}
	for _, t := range warnings(registries) {
		block(yellow, t.Name, t.Warning)
	}
	if len(all) > 0 {
		all = append([]string{""}, all...)
	}
	return all
}

// The columns of the table, in their order.
const (
	hostColumn = iota
	tokenColumn
	lifeColumn
	expiresColumn
	renewalColumn
	targetsColumn
)

func (p *page) table(rows []status.Registry, now time.Time, width int) []string {
	lines := [][]cell{{{"HOST", faint}, {"TOKEN", faint}, {"LIFE", faint}, {"EXPIRES IN", faint}, {"RENEWAL IN", faint}, {"TARGETS", faint}}}
	long := min(max(width/10, 6), 20)
	for _, r := range rows {
		colour := stateColour(r.State)
		lines = append(lines, []cell{{r.Host, ""}, {string(r.State), colour}, {p.bar(r, now, long), colour},
			{until(r.ExpiresAt, now, "%s ago"), ""}, {until(r.NextRefreshAt, now, "now"), ""}, {targetsOf(r), targetsColour(r)}})
	}
	lines = fit(lines, width, p.etc())
	return strings.Split(strings.TrimSuffix(align(lines, p.colour), "\n"), "\n")
}

// targetsOf names the targets that are not ok, of many that are only the number.
func targetsOf(r status.Registry) string {
	var all []string
	for _, t := range r.Targets {
		if t.State != status.OK {
			all = append(all, t.Name+" "+string(t.State))
		}
	}
	switch {
	case len(r.Targets) == 0:
		return "-"
	case len(all) == 0 && len(r.Targets) == 1:
		return "ok"
	case len(all) == 0:
		return fmt.Sprintf("%d ok", len(r.Targets))
	}
	return strings.Join(all, ", ")
}

// bar shows how much of its life a token has left, n characters long.
func (p *page) bar(r status.Registry, now time.Time, n int) string {
	if r.ExpiresAt == nil || r.RefreshedAt == nil || !r.ExpiresAt.After(*r.RefreshedAt) {
		return "-"
	}
	left := float64(r.ExpiresAt.Sub(now)) / float64(r.ExpiresAt.Sub(*r.RefreshedAt))
	left = min(max(left, 0), 1)
	if !p.unicode {
		n -= 2
		full := int(left*float64(n) + 0.5)
		return "[" + strings.Repeat("#", full) + strings.Repeat(".", n-full) + "]"
	}
	eighths := int(left*float64(8*n) + 0.5)
	if left > 0 {
		eighths = max(eighths, 1)
	}
	bar := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return bar + strings.Repeat("░", n-utf8.RuneCountInString(bar))
}

func (p *page) etc() string {
	if p.unicode {
		return "…"
	}
	return "..."
}

// fit makes lines of a table no wider than width, as far as possible: first long texts
// are cut, then a column is left out. The terminal cuts what is still too long.
func fit(lines [][]cell, width int, etc string) [][]cell {
	widest := make([]int, targetsColumn+1)
	for _, l := range lines {
		for i, c := range l {
			widest[i] = max(widest[i], utf8.RuneCountInString(c.text))
		}
	}
	excess := func() int {
		sum := -2 - width
		for _, w := range widest {
			if w > 0 {
				sum += w + 2
			}
		}
		return sum
	}
	shrink := func(column, least int) {
		if more := excess(); more > 0 && widest[column] > least {
			widest[column] = max(least, widest[column]-more)
		}
	}
	// 31 is enough for an account and a region.
	shrink(hostColumn, 31)
	shrink(targetsColumn, 14)
	if excess() > 0 {
		widest[renewalColumn] = 0
	}
	shrink(hostColumn, 14)
	fitted := make([][]cell, len(lines))
	for i, l := range lines {
		for j, c := range l {
			if widest[j] > 0 {
				fitted[i] = append(fitted[i], cell{cut(c.text, widest[j], etc), c.colour})
			}
		}
	}
	return fitted
}

// cut shortens a text to width characters, of which etc marks the end.
func cut(text string, width int, etc string) string {
	text = harmless(text)
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	keep := max(width-utf8.RuneCountInString(etc), 0)
	return string([]rune(text)[:keep]) + etc
}

// wrap breaks a text into lines of width characters, the further ones indented. A word
// that is longer is broken too: commands are copied from here.
func wrap(text string, width int) []string {
	const indent = "  "
	width = max(width, 2*len(indent))
	var lines []string
	current := ""
	for _, word := range strings.Fields(harmless(text)) {
		if current != "" && current != indent {
			if utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) <= width {
				current += " " + word
				continue
			}
			lines, current = append(lines, current), indent
		}
		for runes := []rune(current + word); ; {
			if len(runes) <= width {
				current = string(runes)
				break
			}
			lines = append(lines, string(runes[:width]))
			runes = append([]rune(indent), runes[width:]...)
		}
	}
	if current != "" {
		lines = append(lines, current)
	}
	return lines
}

// tally counts rows by state.
func tally(rows []status.Registry) string {
	what := " registries"
	if len(rows) == 1 {
		what = " registry"
	}
	return status.Number(len(rows)) + what + how(rows)
}

// how says in which states rows are: ", all fresh" or ": 1 expired, 2 fresh".
func how(rows []status.Registry) string {
	counts := make(map[string]int)
	for _, r := range rows {
		state := string(r.State)
		if r.State == status.Fresh && !r.Well() {
			state = "fresh but not in every target"
		}
		counts[state]++
	}
	var parts []string
	for _, state := range []string{"expired", "pending", "failing", "fresh but not in every target", "fresh"} {
		n := counts[state]
		if n == len(rows) && n > 1 {
			return ", all " + state
		}
		if n > 0 {
			parts = append(parts, status.Number(n)+" "+state)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
