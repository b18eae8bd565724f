package config

import (
	"strconv"
	"strings"
	"time"

	"ecr-refreshd/internal/schedule"
)

// refresh is the field of r, whose values become the defaults.
func (r *Refresh) field() Field {
	at, jitter := 50, 10 // percent
	*r = Refresh{At: 0.5, Jitter: 0.1, Timeout: 30 * time.Second, BackoffInitial: time.Second, BackoffMax: 5 * time.Minute}
	const floor, ceiling = 100 * time.Millisecond, time.Hour
	return Group("refresh", "When to renew.", []Field{
		percent("at", "Renew when this share of the token's life has passed: 10% to 90%.", &at, 10, 90),
		percent("jitter", "Spread, of the token's life, drawn once a token, always earlier. Less than at.", &jitter, 0, 89),
		oneOrMore("schedule", "A cron line of five fields, or a list of them. It only ever brings a renewal forward.",
			&r.Schedule, cronLine, `["0 3 * * *"]`),
		Duration("timeout", "Of one attempt, at most 5m.", &r.Timeout, time.Millisecond, 5*time.Minute),
		Group("backoff", "The pause after a failure, 100ms to 1h.", []Field{
			Duration("initial", "After the first failure.", &r.BackoffInitial, floor, ceiling),
			Duration("max", "What the pause grows to.", &r.BackoffMax, floor, ceiling),
		}, func(b *Block) {
			if !b.Good() || r.BackoffInitial <= r.BackoffMax {
				return
			}
			last := "initial"
			if _, ok := b.keys["max"]; ok {
				last = "max"
			}
			b.Report(last, "initial is %s and max is %s; write an initial that is not above max", brief(r.BackoffInitial), brief(r.BackoffMax))
		}),
	}, func(b *Block) {
		r.At, r.Jitter = float64(at)/100, float64(jitter)/100
		switch _, jitterSet := b.keys["jitter"]; {
		case !b.Good("at", "jitter") || jitter < at:
		case jitterSet:
			b.Report("jitter", "%d%% is not below refresh.at, which is %d%%; write a smaller jitter", jitter, at)
		default:
			b.Report("at", "%d%% is not above refresh.jitter, whose default is %d%%; write a larger share, or a refresh.jitter below it", at, jitter)
		}
	})
}

var cronLine = Text{Want: `a cron line, such as "0 3 * * *"`, Fault: func(text string) (why, write string) {
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

func (l *Log) field() Field {
	*l = Log{Level: "info", Format: "auto"}
	return Group("log", "What is logged and how.", []Field{
		String("level", "The least that is logged.", &l.Level, OneOf("debug", "info", "warn", "error")),
		String("format", "auto: console on a terminal, else json.", &l.Format, OneOf("json", "console", "auto")),
	}, nil)
}
