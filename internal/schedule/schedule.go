// Package schedule turns cron lines into times. It wraps github.com/robfig/cron
// and guards what that leaves open: a time zone that makes its parser panic,
// intervals that are not positive or absurdly short, lines that never fire, and
// times that do not exist on the day the clock goes forward. It runs nothing
// and keeps no time of its own.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// MinEvery is the shortest interval that @every may have: what the five fields
// of a cron line can say at most.
const MinEvery = time.Minute

// Schedule is the union of cron lines. The zero Schedule never fires. It does
// not change and is safe for concurrent use.
type Schedule struct{ lines []line }

// line is one cron line. Either every is positive, or fields is set.
type line struct {
	every  time.Duration
	fields cron.SpecSchedule
	zone   *time.Location // nil: that of the time which Next is asked about
}

// Parse reads cron lines: five fields (minute, hour, day of month, month, day
// of week) or a descriptor such as @daily or @every 6h, each with an optional
// CRON_TZ=Zone or TZ=Zone before it. A field for seconds is not accepted. No
// line at all gives a Schedule that never fires. The error quotes the first
// line that is wrong and says what to write.
func Parse(lines ...string) (Schedule, error) {
	var s Schedule
	for _, text := range lines {
		l, err := parseLine(text)
		if err != nil {
			return Schedule{}, fmt.Errorf("%q %w", text, err)
		}
		s.lines = append(s.lines, l)
	}
	return s, nil
}

const form = `write minute hour day month weekday, for example "0 3 * * *", or a descriptor such as "@daily" or "@every 6h"`

func parseLine(text string) (line, error) {
	zone, spec, err := cutZone(strings.TrimSpace(text))
	if err != nil {
		return line{}, err
	}
	l := line{zone: zone}
	if interval, ok := strings.CutPrefix(spec, "@every"); ok {
		l.every, err = parseEvery(strings.TrimSpace(interval))
		return l, err
	}
	switch n := len(strings.Fields(spec)); {
	case spec == "":
		return line{}, fmt.Errorf("has no cron fields; %s", form)
	case strings.HasPrefix(spec, "@"):
	case n == 6:
		return line{}, fmt.Errorf("has 6 fields, and seconds are not supported; %s", form)
	case n != 5:
		return line{}, fmt.Errorf("needs 5 fields and has %d; %s", n, form)
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return line{}, fmt.Errorf("is not a cron line: %w; %s (weekday 0 to 6, 0 is Sunday)", err, form)
	}
	l.fields = *parsed.(*cron.SpecSchedule) // all but an interval is made of fields
	// Any year will do that has all its leap day ahead; what does not fire in
	// the five years that robfig/cron looks at never does.
	if l.in(time.UTC, time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return line{}, fmt.Errorf("never fires: there is no such date; write a day that its month has")
	}
	return l, nil
}

// cutZone takes the time zone off the front of a line. The parser of
// robfig/cron is never shown one: it panics on a zone with nothing behind it.
func cutZone(text string) (zone *time.Location, spec string, err error) {
	rest, ok := strings.CutPrefix(text, "CRON_TZ=")
	if !ok {
		if rest, ok = strings.CutPrefix(text, "TZ="); !ok {
			return nil, text, nil
		}
	}
	name := rest
	if i := strings.IndexAny(rest, " \t"); i >= 0 {
		name, spec = rest[:i], strings.TrimSpace(rest[i:])
	}
	const example = `write a name such as "CRON_TZ=Europe/Berlin 0 3 * * *"`
	if name == "" {
		return nil, "", fmt.Errorf("names no time zone; %s", example)
	}
	zone, err = time.LoadLocation(name)
	if err != nil {
		return nil, "", fmt.Errorf("has a time zone %q that this host does not know; %s, and see that the package tzdata is installed", name, example)
	}
	return zone, spec, nil
}

func parseEvery(interval string) (time.Duration, error) {
	every, err := time.ParseDuration(interval)
	if err != nil {
		return 0, fmt.Errorf(`has no duration that can be read; write one with a unit, for example "@every 6h"`)
	}
	if every < MinEvery {
		return 0, fmt.Errorf("is too short; write @every %s or longer", MinEvery)
	}
	return every, nil
}

// Next gives the first time after t at which one of the lines fires, in t's
// location, or the zero time when none does within the next years. A line
// without a time zone of its own is read in t's location.
//
// What falls into the hour that is skipped when the clock goes forward fires at
// the moment of the change; what falls into the hour that is repeated when it
// goes back fires twice.
func (s Schedule) Next(t time.Time) time.Time {
	var next time.Time
	for _, l := range s.lines {
		if n := l.next(t); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return next
}

func (l line) next(t time.Time) time.Time {
	if l.every > 0 {
		return t.Add(l.every)
	}
	zone := l.zone
	if zone == nil {
		zone = t.Location()
	}
	// robfig/cron is asked for one stretch of constant offset at a time, so that
	// it never meets a change of the clock. at is in the stretch, from is where
	// the search begins, itself excluded.
	at, from := t.In(zone), t
	for last := t.AddDate(5, 0, 0); at.Before(last); {
		_, offset := at.Zone()
		_, change := at.ZoneBounds()
		n := l.in(time.FixedZone("", offset), from)
		if n.IsZero() { // not in five years, so not before last
			return n
		}
		if change.IsZero() || n.Before(change) {
			return n.In(t.Location())
		}
		at, from = change.In(zone), change.Add(-time.Nanosecond)
		_, after := at.Zone()
		skipped := time.Duration(after-offset) * time.Second
		if n.Before(change.Add(skipped)) {
			return change.In(t.Location())
		}
	}
	return time.Time{}
}

// in gives the next time after t on a clock with the constant offset of zone.
func (l line) in(zone *time.Location, t time.Time) time.Time {
	fields := l.fields
	fields.Location = zone
	return fields.Next(t)
}
