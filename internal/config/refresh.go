package config

import (
	"strconv"
	"strings"
	"time"

	"ecr-refreshd/internal/schedule"
)

func decodeRefresh(root map[string]value) Refresh {
	at, jitter := 50, 10 // percent
	r := Refresh{Timeout: 30 * time.Second, BackoffInitial: time.Second, BackoffMax: 5 * time.Minute}
	block, ok := root["refresh"]
	if ok {
		keys, _ := block.mapping(refreshKeys)
		at, jitter = decodeShares(keys, at, jitter)
		if v, ok := keys["schedule"]; ok {
			r.Schedule = decodeSchedule(v)
		}
		if v, ok := keys["timeout"]; ok {
			r.Timeout, _ = v.duration(time.Millisecond, 5*time.Minute)
		}
		if v, ok := keys["backoff"]; ok {
			r.BackoffInitial, r.BackoffMax = decodeBackoff(v, r.BackoffInitial, r.BackoffMax)
		}
	}
	r.At, r.Jitter = float64(at)/100, float64(jitter)/100
	return r
}

// decodeShares reads at and jitter, in percent.
func decodeShares(keys map[string]value, at, jitter int) (int, int) {
	atValue, atSet := keys["at"]
	jitterValue, jitterSet := keys["jitter"]
	okAt, okJitter := true, true
	if atSet {
		at, okAt = atValue.percent(10, 90)
	}
	if jitterSet {
		jitter, okJitter = jitterValue.percent(0, 89)
	}
	switch {
	case !okAt || !okJitter || jitter < at:
	case jitterSet:
		jitterValue.report("%d%% is not below refresh.at, which is %d%%; write a smaller jitter", jitter, at)
	default:
		atValue.report("%d%% is not above refresh.jitter, whose default is %d%%; write a larger share, or a refresh.jitter below it", at, jitter)
	}
	return at, jitter
}

func decodeBackoff(v value, first, most time.Duration) (time.Duration, time.Duration) {
	const floor, ceiling = 100 * time.Millisecond, time.Hour
	keys, _ := v.mapping(backoffKeys)
	okFirst, okMost := true, true
	last := v
	for _, b := range []struct {
		key string
		d   *time.Duration
		ok  *bool
	}{{"initial", &first, &okFirst}, {"max", &most, &okMost}} {
		if at, ok := keys[b.key]; ok {
			*b.d, *b.ok = at.duration(floor, ceiling)
			last = at
		}
	}
	if okFirst && okMost && first > most {
		last.report("initial is %s and max is %s; write an initial that is not above max", brief(first), brief(most))
	}
	return first, most
}

// decodeSchedule reads one cron line, a list of them, or "" for none.
func decodeSchedule(v value) []string {
	line := Text{Want: `a cron line, such as "0 3 * * *"`, Fault: func(text string) (why, write string) {
		_, err := schedule.Parse(text)
		if err == nil {
			return "", ""
		}
		// The package says both, behind the quoted line.
		why = strings.TrimPrefix(err.Error(), strconv.Quote(text)+" ")
		if i := strings.LastIndex(why, "; write "); i >= 0 {
			return why[:i], why[i+len("; write "):]
		}
		return why, ""
	}}
	if !v.isList() {
		text, ok := v.text(line.OrEmpty())
		if !ok || text == "" {
			return nil
		}
		return []string{text}
	}
	var lines []string
	for _, i := range v.texts(line, `["0 3 * * *"]`) {
		lines = append(lines, i.text)
	}
	return lines
}

func decodeLog(root map[string]value) Log {
	l := Log{Level: "info", Format: "auto"}
	block, ok := root["log"]
	if !ok {
		return l
	}
	keys, _ := block.mapping(logKeys)
	if v, ok := keys["level"]; ok {
		l.Level, _ = v.text(OneOf("debug", "info", "warn", "error"))
	}
	if v, ok := keys["format"]; ok {
		l.Format, _ = v.text(OneOf("json", "console", "auto"))
	}
	return l
}
