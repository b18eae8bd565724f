package schedule

import (
	"os"
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
			t.Fatal(err)
		}
		t.Skipf("no time zone data on this host: %v", err)
	}
	return loc
}

// firings gives the first n times after from, in RFC 3339.
func firings(s Schedule, from time.Time, n int) []string {
	var got []string
	for range n {
		from = s.Next(from)
		got = append(got, from.Format(time.RFC3339))
	}
	return got
}

func TestNext(t *testing.T) {
	tests := []struct {
		name  string
		zone  string
		from  string
		lines []string
		want  string // times, joined by spaces
	}{
		{"daily", "UTC", "2026-01-01T03:00:00Z", []string{"0 3 * * *"},
			"2026-01-02T03:00:00Z 2026-01-03T03:00:00Z"},
		{"strictly after", "UTC", "2026-01-01T02:59:59.5Z", []string{"0 3 * * *"},
			"2026-01-01T03:00:00Z 2026-01-02T03:00:00Z"},
		{"the earliest of several lines", "UTC", "2026-01-01T00:00:00Z", []string{"0 12 * * *", "30 6 * * *", "0 3 1 1 *"},
			"2026-01-01T03:00:00Z 2026-01-01T06:30:00Z 2026-01-01T12:00:00Z"},
		{"interval", "UTC", "2026-01-01T00:00:20.25Z", []string{"@every 90m"},
			"2026-01-01T01:30:20Z 2026-01-01T03:00:20Z"},
		{"shortest interval", "UTC", "2026-01-01T00:00:00Z", []string{"@every 1m"},
			"2026-01-01T00:01:00Z 2026-01-01T00:02:00Z"},
		{"descriptor", "UTC", "2026-01-01T12:00:00Z", []string{"@weekly"},
			"2026-01-04T00:00:00Z 2026-01-11T00:00:00Z"},
		{"leap day", "UTC", "2026-01-01T00:00:00Z", []string{"0 0 29 2 *"},
			"2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
		{"location of the time asked about", "Asia/Tokyo", "2026-01-01T00:00:00+09:00", []string{"0 3 * * *"},
			"2026-01-01T03:00:00+09:00"},
		{"zone of the line", "UTC", "2026-01-01T00:00:00Z", []string{"CRON_TZ=Asia/Tokyo 0 3 * * *"},
			"2026-01-01T18:00:00Z"},
		{"zone by its other name", "UTC", "2026-01-01T00:00:00Z", []string{"TZ=Asia/Tokyo @daily"},
			"2026-01-01T15:00:00Z"},
		{"skipped hour fires at the change", "Europe/Berlin", "2026-03-28T12:00:00+01:00", []string{"30 2 * * *"},
			"2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
		{"skipped hour, line at its end", "Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"59 2 29 3 *"},
			"2026-03-29T03:00:00+02:00"},
		{"skipped hour, line just behind it", "Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"0 3 * * *"},
			"2026-03-29T03:00:00+02:00 2026-03-30T03:00:00+02:00"},
		{"skipped hour, line just before it", "Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"59 1 * * *"},
			"2026-03-29T01:59:00+01:00 2026-03-30T01:59:00+02:00"},
		{"skipped hour in the line's own zone", "UTC", "2026-03-07T12:00:00Z", []string{"TZ=America/New_York 30 2 * * *"},
			"2026-03-08T07:00:00Z 2026-03-09T06:30:00Z"},
		{"skipped half hour", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"15 2 * * *"},
			"2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00"},
		{"skipped midnight", "America/Santiago", "2026-09-05T12:00:00-04:00", []string{"0 0 * * *"},
			"2026-09-06T01:00:00-03:00 2026-09-07T00:00:00-03:00"},
		{"skipped day", "Pacific/Apia", "2011-12-29T12:00:00-10:00", []string{"0 12 * * *"},
			"2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"},
		{"repeated hour", "Europe/Berlin", "2026-10-25T00:00:00+02:00", []string{"30 2 * * *"},
			"2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 2026-10-26T02:30:00+01:00"},
		{"short steps across the repeated hour", "Europe/Berlin", "2026-10-25T02:20:00+02:00", []string{"*/30 * * * *"},
			"2026-10-25T02:30:00+02:00 2026-10-25T02:00:00+01:00 2026-10-25T02:30:00+01:00 2026-10-25T03:00:00+01:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loc := zone(t, tt.zone)
			from, err := time.Parse(time.RFC3339Nano, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(tt.lines...)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(firings(s, from.In(loc), len(strings.Fields(tt.want))), " ")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNoLineNeverFires(t *testing.T) {
	s, err := Parse()
	if got := s.Next(time.Unix(0, 0)); err != nil || !got.IsZero() {
		t.Errorf("got %v, %v; want the zero time", got, err)
	}
}

func TestParseSaysWhatToWrite(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"empty", "", `"" has no cron fields; write minute hour day month weekday`},
		{"blank", "  ", `"  " has no cron fields; write`},
		{"zone alone", "TZ=0", `"TZ=0" has a time zone "0" that this host does not know; write a name such as "CRON_TZ=Europe/Berlin`},
		{"known zone alone", "TZ=UTC", `"TZ=UTC" has no cron fields; write`},
		{"zone without a name", "CRON_TZ= 0 3 * * *", `names no time zone; write`},
		{"unknown zone", "TZ=Mars/Olympus 0 3 * * *", `a time zone "Mars/Olympus" that this host does not know; write`},
		{"zone that is a path", "TZ=../../etc/passwd 0 3 * * *", `that this host does not know; write`},
		{"two zones", "TZ=UTC TZ=0", `needs 5 fields and has 1; write`},
		{"negative interval", "@every -5s", `is too short; write @every 1m0s or longer`},
		{"no interval", "@every 0s", `is too short; write`},
		{"short interval", "@every 59s", `is too short; write`},
		{"interval without a unit", "@every 30", `has no duration that can be read; write one with a unit`},
		{"interval missing", "@every", `has no duration that can be read; write`},
		{"interval out of range", "@every 999999999h", `has no duration that can be read; write`},
		{"no such day", "0 0 30 2 *", `"0 0 30 2 *" never fires: there is no such date; write a day`},
		{"no such day in several months", "0 0 31 2,4,6,9,11 *", `never fires: there is no such date; write`},
		{"empty field", "0 0 , * *", `never fires`},
		{"seconds", "0 0 3 * * *", `has 6 fields, and seconds are not supported; write minute hour day month weekday`},
		{"four fields", "0 3 * *", `needs 5 fields and has 4; write`},
		{"two lines in one", "0 3 * * *\n0 15 * * *", `needs 5 fields and has 10; write`},
		{"minute out of range", "61 * * * *", `is not a cron line: end of range (61) above maximum (59): 61; write`},
		{"Sunday as 7", "0 0 * * 7", `(weekday 0 to 6, 0 is Sunday)`},
		{"step of nothing", "*/0 * * * *", `is not a cron line`},
		{"unknown descriptor", "@reboot", `is not a cron line: unrecognized descriptor: @reboot; write`},
		{"words", "every day at noon please", `is not a cron line`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("0 3 * * *", tt.line)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant …%s…", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{"0 3 * * *", "30 2 * * *", "*/7 1-5 * jan,mar MON-FRI", "TZ=0", "TZ=Pacific/Apia 0 0 * * *", "@every -5s",
		"@every 1h", "@yearly", "0 0 30 2 *", "0 0 29 2 *", "0 0 31 * 1", "CRON_TZ=Europe/Berlin 30 2 29 3 *", "TZ= TZ=0", "? ? ? ? ?"} {
		f.Add(line, int64(1774663200), "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, line string, at int64, place string) {
		s, err := Parse(line)
		if err != nil {
			return
		}
		loc, err := time.LoadLocation(place)
		if err != nil {
			loc = time.UTC
		}
		const century = 100 * 365 * 24 * 3600 // from 1970, so that the year 2100 without a leap day is left out
		from := time.Unix(int64(uint64(at)%century), 0).In(loc)
		next := s.Next(from)
		if !next.After(from) {
			t.Fatalf("%q after %v fires at %v", line, from, next)
		}
		if between := s.Next(from.Add(next.Sub(from) / 2)); !between.Equal(next) && !strings.Contains(line, "@every") {
			t.Fatalf("%q after %v fires at %v, but asked half-way, at %v", line, from, next, between)
		}
	})
}
