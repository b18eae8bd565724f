package page

import (
	"strings"
	"time"
)

const quarter, dayQuarters = 15 * time.Minute, 96

// letter is one of status.Registry.LastDay.
type letter struct {
	Letter string
	Words  string
	Height int // of its part of the strip, of 12
}

// letters go from the worst to the best. A person reads the height as well as the colour.
var letters = []letter{
	{"e", "no valid token", 12},
	{"r", "renewal failed", 9},
	{"t", "a target failed", 6},
	{"p", "waited", 4},
	{"o", "well", 3},
}

// Top is where its part of the strip begins.
func (l letter) Top() int { return 12 - l.Height }

// day is the strip of a host.
type day struct {
	Words string
	Last  string // trouble, in words; empty for none at all
	Runs  []run
}

// run is a time in which the letter stayed the same, in quarter hours from the strip's left.
type run struct {
	Letter      string
	From, Width int
	Top, Height int
}

// dayOf reads the letters, of which the last is the quarter hour of now. since is when the program
// began, and well whether there is no trouble at this moment.
func dayOf(last string, since, now time.Time, well bool) day {
	if len(last) > dayQuarters {
		last = last[len(last)-dayQuarters:]
	}
	if last == "" {
		return day{Words: "Last 24 hours: no data yet.", Last: "no data yet"}
	}
	// The clock's quarter hours are counted in UTC.
	begins := now.Truncate(quarter).Add(-quarter * (dayQuarters - 1))
	clock := func(i int) string {
		t := begins.Add(time.Duration(i) * quarter)
		if t.Before(since) && t.Add(quarter).After(since) {
			t = since.In(t.Location())
		}
		return t.Format("15:04")
	}
	var d day
	var words []string
	for from := dayQuarters - len(last); from < dayQuarters; {
		rest := last[from-(dayQuarters-len(last)):]
		width := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
		for _, l := range letters {
			if l.Letter != rest[:1] {
				continue
			}
			d.Runs = append(d.Runs, run{l.Letter, from, width, l.Top(), l.Height})
			if l.Letter != "o" {
				end := clock(from + width)
				if from+width == dayQuarters {
					if end = "now"; well && l.Letter != "p" {
						end = "a moment ago"
					}
				}
				words = append(words, l.Words+" from "+clock(from)+" to "+end)
				if l.Letter != "p" {
					d.Last = l.Words + " " + clock(from) + " to " + end
				}
			}
		}
		from += width
	}
	start := "Last 24 hours: "
	if len(last) < dayQuarters {
		start = "Since " + clock(dayQuarters-len(last)) + ": "
	}
	if len(words) == 0 {
		words = []string{"well"}
	}
	// A strip that keeps changing is not read out to its end.
	const most = 8
	if len(words) > most {
		words = append([]string{"much change; of late"}, words[len(words)-most:]...)
	}
	d.Words = start + strings.Join(words, "; ") + "."
	return d
}
