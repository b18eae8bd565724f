package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plain is a style of ASCII without colours.
var plain = style{colour: func(_, text string) string { return text }}

// aRow is a fresh registry that has lived a quarter of its life.
func aRow(i int) status.Registry {
	return status.Registry{Host: fmt.Sprintf("%012d.dkr.ecr.eu-central-1.amazonaws.com", i), State: status.Fresh,
		RefreshedAt: new(noon.Add(-3 * time.Hour)), ExpiresAt: new(noon.Add(9 * time.Hour)), NextRefreshAt: new(noon.Add(3 * time.Hour)),
		Targets: []status.Target{{Name: "engine", State: status.OK}, {Name: "docker-config", State: status.OK}}}
}

// aReport has n rows, of which the last ones are as the states say.
func aReport(n int, states ...status.State) *status.Report {
	r := &status.Report{Version: "1.2.3", StartedAt: noon.Add(-time.Hour), Config: status.Config{Path: "/etc/ecr-refreshd/config.yaml", LoadedAt: noon}}
	for i := range n {
		r.Registries = append(r.Registries, aRow(i))
	}
	for i, s := range states {
		row := &r.Registries[n-1-i]
		row.State = s
		row.Error = &status.Problem{Reason: fault.Denied, Message: "get authorization token: AccessDeniedException", Hint: "allow ecr:GetAuthorizationToken, or run: aws sts get-caller-identity"}
		if s == status.Expired {
			row.ExpiresAt = new(noon.Add(-time.Minute))
			row.Targets[0].State = status.Pending
		}
	}
	return r
}

func TestThePageOfATerminal(t *testing.T) {
	p := page{style: plain, report: aReport(3, status.Expired, status.Failing)}
	want := `ecr-refreshd 1.2.3, up for 1h 0m                                                      12:00:00  q quits
3 registries: 1 expired, 1 failing, 1 fresh

HOST                                        TOKEN    LIFE        EXPIRES IN  RENEWAL IN  TARGETS
000000000002.dkr.ecr.eu-central-1.amazo...  expired  [........]  1m 0s ago   3h 0m       engine pending
000000000001.dkr.ecr.eu-central-1.amazo...  failing  [######..]  9h 0m       3h 0m       2 ok
000000000000.dkr.ecr.eu-central-1.amazo...  fresh    [######..]  9h 0m       3h 0m       2 ok

000000000002.dkr.ecr.eu-central-1.amazonaws.com, 000000000001.dkr.ecr.eu-central-1.amazonaws.com: get
  authorization token: AccessDeniedException; allow ecr:GetAuthorizationToken, or run: aws sts
  get-caller-identity`
	if got := strings.Join(p.lines(noon, 103, 24), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestThePageFitsEveryTerminal(t *testing.T) {
	reports := map[string]page{
		"no daemon":     {why: "ecr-refreshd: ask the daemon at /run/x.sock: connection refused; start it: systemctl start ecr-refreshd\n", since: noon.Add(-time.Minute)},
		"nothing yet":   {},
		"one":           {report: aReport(1)},
		"none":          {report: aReport(0)},
		"failing":       {report: aReport(5, status.Failing, status.Expired)},
		"2,000":         {report: aReport(2000)},
		"2,000, 50 bad": {report: aReport(2000, make([]status.State, 50)...)},
		"refused config": {report: func() *status.Report {
			r := aReport(9)
			r.Config.Error = &status.Problem{Message: strings.Repeat("x", 200)}
			return r
		}()},
	}
	for name, p := range reports {
		for _, unicode := range []bool{true, false} {
			p.style = style{plain.colour, unicode}
			for width := 1; width <= 200; width += 11 {
				for height := 1; height <= 60; height += 5 {
					lines := p.lines(noon, width, height)
					if len(lines) > height || len(lines) == 0 {
						t.Fatalf("%s, %dx%d: %d lines", name, width, height, len(lines))
					}
					for _, l := range lines {
						if n := utf8.RuneCountInString(l); n > width && width >= 70 {
							t.Fatalf("%s, %dx%d: %d characters in %q", name, width, height, n, l)
						}
						if strings.ContainsAny(l, "\n\r\x1b") {
							t.Fatalf("%s: %q is no line", name, l)
						}
					}
				}
			}
		}
	}
}

func TestWhatNeedsAPersonHasRoomFirst(t *testing.T) {
	p := page{style: plain, report: aReport(2000, status.Failing, status.Expired)}
	got := p.lines(noon, 120, 24)
	text := strings.Join(got, "\n")
	for _, want := range []string{"2,000 registries: 1 expired, 1 failing, 1,998 fresh", "1,984 more, all fresh", "AccessDenied", "get-caller-identity"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if !strings.Contains(got[4], "expired") || !strings.Contains(got[5], "failing") || len(got) != 24 {
		t.Errorf("%d lines:\n%s", len(got), text)
	}
	// Where all are bad, neither the rows nor the causes take all the room.
	many := aReport(40, make([]status.State, 40)...)
	for i := range many.Registries {
		many.Registries[i].State = status.Failing
		many.Registries[i].Error.Message = fmt.Sprint("cause ", i)
	}
	text = strings.Join((&page{style: plain, report: many}).lines(noon, 120, 24), "\n")
	for _, want := range []string{"more, all failing", "cause 0", "run `ecr-refreshd status` for the rest"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
}

func TestTheBarShowsTheLifeThatIsLeft(t *testing.T) {
	for _, tt := range []struct {
		left           time.Duration // of 12 h
		unicode, ascii string
	}{
		{12 * time.Hour, "██████████", "[########]"},
		{6 * time.Hour, "█████░░░░░", "[####....]"},
		{4 * time.Hour, "███▍░░░░░░", "[###.....]"},
		{time.Second, "▏░░░░░░░░░", "[........]"},
		{0, "░░░░░░░░░░", "[........]"},
		{-time.Hour, "░░░░░░░░░░", "[........]"},
		{20 * time.Hour, "██████████", "[########]"}, // the clock was set back
	} {
		r := status.Registry{RefreshedAt: new(noon.Add(tt.left - 12*time.Hour)), ExpiresAt: new(noon.Add(tt.left))}
		for unicode, want := range map[bool]string{true: tt.unicode, false: tt.ascii} {
			p := page{style: style{plain.colour, unicode}}
			if got := p.bar(r, noon, 10); got != want {
				t.Errorf("%v left: %s, want %s", tt.left, got, want)
			}
		}
	}
	p := page{}
	if got := p.bar(status.Registry{}, noon, 10); got != "-" {
		t.Errorf("without a token: %q", got)
	}
}

func TestTheLocaleDecidesAboutUnicode(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"LANG": "C.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, true},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{}, false},
		{map[string]string{"LC_ALL": "C", "LANG": "C.UTF-8"}, false},
		{map[string]string{"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, true},
	} {
		if got := inUnicode(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: %v", tt.env, got)
		}
	}
}

func TestWrapLosesNothing(t *testing.T) {
	text := "a command: aws sts get-caller-identity --profile " + strings.Repeat("long", 30) + "\nand\x1b[31m more"
	lines := wrap(text, 40)
	for _, l := range lines {
		if utf8.RuneCountInString(l) > 40 || strings.ContainsAny(l, "\x1b\n") {
			t.Errorf("%q", l)
		}
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
	if got := squeeze(strings.Join(lines, " ")); got != squeeze(harmless(text)) {
		t.Errorf("got %q", got)
	}
}
