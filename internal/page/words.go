package page

import (
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ecr-refreshd/internal/status"
)

// sum counts registries.
type sum struct {
	all, waiting int
	needy        int // have a problem of their own
	without      int // of these, have no valid token
	held         int // of these, have a valid token in every target
}

// headline says in one sentence how everything stands, and its mood. grave is whether pulls fail for
// a reason that is no registry's.
func headline(s sum, problems int, grave bool) (text, mood string) {
	attention := fmt.Sprintf("%s of %s", status.Number(s.needy), count(s.all, "registry needs attention", "registries "+plural(s.needy, "needs", "need")+" attention"))
	switch {
	case s.without > 0:
		return fmt.Sprintf("%s of %s no valid token: pulls fail.", status.Number(s.without), count(s.all, "registry has", "registries "+plural(s.without, "has", "have"))), "bad"
	case s.needy > 0 && s.held == s.needy && !grave:
		return attention + "; pulls still work.", "warn"
	case s.needy > 0:
		return attention + ".", "bad"
	case problems > 0:
		text, mood = count(problems, "thing needs", "things need")+" attention.", "warn"
		if s.all > s.waiting {
			text = count(s.all-s.waiting, "registry is", "registries are") + " logged in, but " + text
		}
		if grave {
			mood = "bad"
		}
		return text, mood
	case s.all == 0:
		return "No registries are configured.", "wait"
	case s.waiting > 0:
		return fmt.Sprintf("%s of %s being logged in.", status.Number(s.waiting), count(s.all, "registry is", "registries "+plural(s.waiting, "is", "are"))), "wait"
	}
	return "Everything is well: " + count(s.all, "registry is", "registries are") + " logged in.", "well"
}

// title is for the browser's tab: what matters comes first.
func title(mood string, needy int) string {
	if needy > 0 {
		return status.Number(needy) + " " + plural(needy, "needs", "need") + " attention - ecr-refreshd"
	}
	return map[string]string{"bad": "Pulls fail", "warn": "Attention", "wait": "Waiting", "well": "All well"}[mood] + " - ecr-refreshd"
}

// span says a duration as exactly as a person wants to know it.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour && int(d.Minutes())%60 == 0:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// icons are a disc, a ring, a triangle and a square, so that colour is not all that differs.
var icons = map[string]template.URL{
	"well": icon(`%3Ccircle cx='8' cy='8' r='6' fill='%230f766e'/%3E`),
	"wait": icon(`%3Ccircle cx='8' cy='8' r='5' fill='none' stroke='%236b7280' stroke-width='3'/%3E`),
	"warn": icon(`%3Cpath d='M8 1l7 13H1z' fill='%23b45309'/%3E`),
	"bad":  icon(`%3Cpath d='M1 1h14v14H1z' fill='%23b3261e'/%3E`),
}

func icon(shape string) template.URL {
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" + shape + "%3C/svg%3E")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func count(n int, one, many string) string { return status.Number(n) + " " + plural(n, one, many) }

// clean makes what cannot be seen visible, such as characters that turn the direction of
// the text around them.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			return r
		case r == '\t':
			return ' '
		}
		return unicode.ReplacementChar
	}, text)
}

// parts splits the name of a host where a line may break.
func parts(host string) []string { return strings.SplitAfter(host, ".") }

// part of a text; Code is what a person types.
type part struct {
	Text string
	Code bool
}

// typed finds in hints what a person types: in backquotes, in double quotes, or a command as
// a clause of its own.
var typed = regexp.MustCompile("`[^`]+`" + `|"(?:[^"\\]|\\.)+"` +
	`|[:;] ((?:sudo )?(?:chmod|chown|df|rm|mv|namei|systemctl|timedatectl|podman|docker log(?:in|out)|ecr-refreshd) (?:'[^']*'|"[^"]*"|[^;,'"])+)`)

func inParts(text string) []part {
	var all []part
	last := 0
	for _, m := range typed.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[0], m[1]
		code := text[from+1 : to-1]
		if m[2] >= 0 {
			from, to = m[2], m[3]
			code = text[from:to]
		} else if text[from] == '"' {
			if s, err := strconv.Unquote(text[from:to]); err == nil {
				code = clean(s) // what was quoted to be seen
			}
		}
		if from > last {
			all = append(all, part{text[last:from], false})
		}
		all = append(all, part{code, true})
		last = to
	}
	if last < len(text) {
		all = append(all, part{text[last:], false})
	}
	return all
}
