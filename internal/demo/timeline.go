package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	columns = 99
	indent  = 17 // of a row's text
)

// Colours as ECMA-48 has them; a plain row has none.
const (
	plain  = ""
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// timeline prints the play in lines of at most columns, but for words that are longer.
type timeline struct {
	w      io.Writer
	colour bool
	start  time.Time
}

func newTimeline(w io.Writer, colour bool) *timeline { return &timeline{w, colour, time.Now()} }

// colourful says whether w is a terminal whose user has not declined colours.
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// introduce says what is going to happen.
func (t *timeline) introduce(set settings) {
	t.say("ecr-refreshd at work, for about %s minutes. Ctrl-C ends it at any time.", clock(set.length))
	t.say("")
	t.item("An emulator plays Amazon ECR. No AWS account is needed. Its tokens live %s instead of 12 hours.", span(set.life))
	t.item("The real daemon keeps four registries logged in: two accounts in one region, another region, and public.ecr.aws. " +
		"It renews each token when about half of its life is over.")
	t.item("A real Docker Engine pulls an image every %s by the real ECR host names. No pull may fail.", span(set.pause))
	t.item("At the end, for contrast: a pull with the very first token, which nobody has renewed.")
	t.say("")
	t.say("The demo itself installs nothing and leaves nothing behind. It touches neither a Docker that runs on this " +
		"machine nor /etc/hosts nor ~/.docker: it has a private engine, with private copies of those, that ends with it.")
	t.say("")
}

// apologise says what is missing and what happens instead.
func (t *timeline) apologise(lacks []string) {
	if len(lacks) > 0 {
		t.say("MISSING for pulls through a real Docker Engine:")
		for _, l := range lacks {
			t.item("%s", l)
		}
		t.say("")
	}
	t.say("So it goes on without an engine, with the real daemon and the emulated ECR. Each pull is done by the demo itself: over HTTPS, " +
		"with the login that docker would read from config.json at that moment.")
	t.say("")
}

// begin starts the clock.
func (t *timeline) begin() { t.start = time.Now() }

func (t *timeline) elapsed() time.Duration { return time.Since(t.start) }

func (t *timeline) renewed(l line, number int) {
	what := l.Region + " (" + count(len(l.Host), "registry", "registries") + ")"
	if len(l.Host) == 1 && l.Host[0] == publicHost() {
		what = publicHost()
	}
	kind := "renewed"
	if number == 1 {
		kind = "login"
	}
	t.row(cyan, kind, fmt.Sprintf("%s: token %d, good for %s; the next one in %s",
		what, number, span(l.ExpiresAt.Sub(l.Time)), span(l.NextRefreshAt.Sub(l.Time))))
}

func (t *timeline) pulled(host string, took time.Duration, token int) {
	t.row(green, "pulled", fmt.Sprintf("%s/%s in %.1f s, token %d", host, repository, took.Seconds(), token))
}

func (t *timeline) failed(host string, err error) {
	t.row(red, "FAILED", fmt.Sprintf("%s/%s: %v", host, repository, err))
}

// quote shows a line of the daemon's log as it is.
func (t *timeline) quote(text string) {
	t.row(yellow, "daemon", "says:")
	fmt.Fprintln(t.w, text)
}

func (t *timeline) note(format string, args ...any) { t.row(yellow, "-", fmt.Sprintf(format, args...)) }

// row prints a line of the story: when, what kind, and the text.
func (t *timeline) row(colour, kind, text string) {
	lines := wrap(text, columns-indent)
	fmt.Fprintf(t.w, "%6s  %s  %s\n", clock(t.elapsed()), t.paint(colour, fmt.Sprintf("%-7s", kind)), lines[0])
	for _, l := range lines[1:] {
		fmt.Fprintf(t.w, "%*s%s\n", indent, "", l)
	}
}

// sum prints the score; why is the reason for an early end, or nil.
func (t *timeline) sum(s score, why error, puller string) {
	t.say("")
	t.say("Score after %s", clock(s.length))
	t.say("")
	t.entry("renewals", plain, fmt.Sprintf("%d, after %s", s.renewals, count(s.tokens, "first token", "first tokens")))
	t.entry("pulls", plain, fmt.Sprint(s.pulls))
	failures := green
	if s.failures > 0 {
		failures = red
	}
	t.entry("failures", failures, fmt.Sprint(s.failures))
	t.entry("crossed", plain, count(s.lives(), "token life", "token lives")+" of "+span(s.life))
	switch {
	case s.contrast == nil:
		t.entry("contrast", plain, "not tried")
	case s.expired():
		t.entry("contrast", green, "a pull with the very first token is refused, as it must be; "+puller+" says:")
		t.entry("", plain, s.contrast.Error())
	default:
		t.entry("contrast", red, "a pull with the very first token must be refused as expired, but:")
		t.entry("", plain, s.contrast.Error())
	}
	t.say("")
	switch {
	case errors.Is(why, errStopped):
		t.say("Stopped early, as asked.")
	case why != nil:
		t.say("%s %v", t.paint(red, "The demo broke off:"), why)
	case s.passed():
		t.say("%s", t.paint(green, "No pull failed: every login was renewed before its token expired."))
	default:
		t.say("%s", t.paint(red, "This is not how it should be: see above."))
	}
}

// entry prints a line of the score.
func (t *timeline) entry(name, colour, text string) {
	const indent = 12
	for i, l := range wrap(text, columns-indent) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(t.w, "  %-10s%s\n", name, t.paint(colour, l))
	}
}

func (t *timeline) say(format string, args ...any) {
	for _, l := range wrap(fmt.Sprintf(format, args...), columns) {
		fmt.Fprintln(t.w, l)
	}
}

func (t *timeline) item(format string, args ...any) {
	mark := "  - "
	for _, l := range wrap(fmt.Sprintf(format, args...), columns-len(mark)) {
		fmt.Fprintf(t.w, "%s%s\n", mark, l)
		mark = "    "
	}
}

func (t *timeline) paint(colour, text string) string {
	if !t.colour || colour == plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// wrap breaks text into lines of at most width bytes at its spaces. A longer word has
// a line of its own. There is always at least one line.
func wrap(text string, width int) []string {
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		current := ""
		for _, word := range strings.Fields(paragraph) {
			switch {
			case current == "":
				current = word
			case len(current)+1+len(word) <= width:
				current += " " + word
			default:
				lines, current = append(lines, current), word
			}
		}
		lines = append(lines, current)
	}
	return lines
}

// clock says a time of the play as minutes and seconds, "1:05".
func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// span says a duration in seconds, "27 s"; a short one with its tenths.
func span(d time.Duration) string {
	if d = d.Round(100 * time.Millisecond); d < 10*time.Second && d%time.Second != 0 {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
