// Package eventlog is the Observer that writes events to a zap logger: a
// constant lower-case message and typed fields. What a person must act on is
// an error, what passes by itself a warning. A failure that has not changed, or that
// many grants have for one reason, is summed up (failures.go).
package eventlog

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
)

// maxHosts bounds the names in one line.
const maxHosts = 10

// Hosts are the value of a line's field host. A line names the first of them and
// counts the others; the journal's fields, by which people filter, have them all.
type Hosts []string

// MarshalLogArray adds what a line shows.
func (h Hosts) MarshalLogArray(to zapcore.ArrayEncoder) error {
	for _, name := range h[:min(len(h), maxHosts)] {
		to.AppendString(name)
	}
	if more := len(h) - maxHosts; more > 0 {
		to.AppendString(fmt.Sprintf("and %d more", more))
	}
	return nil
}

// Log is an Observer. Safe for concurrent use.
type Log struct {
	logger *zap.Logger

	mu       sync.Mutex
	failures failures
	warnings map[string]string // the last of each target
}

// New makes a Log.
func New(logger *zap.Logger) *Log {
	return &Log{logger: logger, failures: newFailures(), warnings: make(map[string]string)}
}

// form is how events of a kind are logged.
type form struct {
	level   zapcore.Level // of a failure it depends on the reason, see severity
	message string
	// again is the message of what has failed before and works now; of a failure, that of
	// the line that sums it up.
	again string
	ends  []renew.Kind // the failures that are over with it; the first is the one of which again speaks
}

// forms has every kind. docs/logs.md explains the messages.
var forms = map[renew.Kind]form{
	renew.Renewed:      {level: zapcore.InfoLevel, message: "token renewed", again: "token renewed again", ends: []renew.Kind{renew.RenewFailed}},
	renew.Adopted:      {level: zapcore.DebugLevel, message: "token kept"},
	renew.RenewFailed:  {message: "token not renewed", again: "token still not renewed"},
	renew.Expired:      {level: zapcore.ErrorLevel, message: "token expired, no valid one is left"},
	renew.ClockWrong:   {message: "reported expiry cannot be true", again: "reported expiry still cannot be true"},
	renew.Stored:       {level: zapcore.DebugLevel, message: "login stored", again: "login stored again", ends: []renew.Kind{renew.StoreFailed, renew.RemoveFailed}},
	renew.StoreFailed:  {message: "login not stored", again: "login still not stored"},
	renew.CheckFailed:  {message: "login not checked", again: "login still not checked"},
	renew.Checked:      {level: zapcore.DebugLevel, message: "login checked", again: "login checked again", ends: []renew.Kind{renew.CheckFailed}},
	renew.Undone:       {level: zapcore.InfoLevel, message: "login was undone by another program, storing it again", again: "logins are undone again and again by another program"},
	renew.Removed:      {level: zapcore.WarnLevel, message: "login removed", ends: []renew.Kind{renew.RemoveFailed}},
	renew.RemoveFailed: {message: "login not removed", again: "login still not removed"},
}

// Observe logs e: what happens in one line, a failure as long as it is news.
func (l *Log) Observe(e renew.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case renew.RenewFailed, renew.ClockWrong, renew.StoreFailed, renew.CheckFailed, renew.RemoveFailed:
		l.failed(e)
	case renew.Expired:
		l.write(zapcore.ErrorLevel, forms[e.Kind].message, fields(e), l.failures.last(e))
	case renew.Undone:
		if e.Err == nil {
			e.Err = undone(e)
		}
		l.failed(e)
	default:
		l.happened(e)
	}
}

// happened logs what is no failure, and how long one took that is over with it.
func (l *Log) happened(e renew.Event) {
	form := forms[e.Kind]
	level, message, all := form.level, form.message, fields(e)
	if !e.Partial {
		for i, kind := range form.ends {
			over := l.failures.end(e, kind)
			if i > 0 || over == nil || !over.said || form.again == "" {
				continue
			}
			level, message = zapcore.InfoLevel, form.again
			all = append(all, zap.Int("failures", over.count), zap.Duration("failed_for", max(e.At.Sub(over.since), 0)))
		}
	}
	l.logger.Log(level, message, all...)
	if e.Kind == renew.Stored {
		l.warn(e)
	}
}

// undone is the fault of an Undone that is not yet one of two programs in conflict.
func undone(e renew.Event) error {
	return &fault.Error{Reason: fault.Local, Op: "keep the login in " + e.Target, Err: errors.New("another program has removed or changed it"), Hint: undoneHint}
}

const undoneHint = "nothing, if it happens now and then; else find the program: a cron line with `docker login`, a credential script, a second ecr-refreshd"

// failed logs each fault of a failure that is news, at debug level what is not, and
// sums up what was not logged when it is time.
func (l *Log) failed(e renew.Event) {
	form, now := forms[e.Kind], l.failures.begin(e)
	faults := fault.All(e.Err)
	more := max(len(faults)-maxLines, 0)
	said := zapcore.DebugLevel
	for i, f := range faults {
		level := zapcore.DebugLevel
		if l.failures.news(now, e, f) && i < maxLines {
			level = severity(e.Kind, f)
			said = max(said, level)
		}
		if i < maxLines {
			concerned := e
			concerned.Hosts = hostsOf(e, f)
			l.write(level, form.message, fields(concerned), f)
		}
	}
	if more > 0 {
		concerned := e
		concerned.Hosts = nil // those of the lines before were others
		l.write(said, form.message, fields(concerned), &fault.Error{Reason: faults[maxLines].Reason, Op: fmt.Sprintf("%d more faults", more),
			Hint: "see `ecr-refreshd status` for all"})
	}
	for _, s := range l.failures.due(e) {
		l.write(max(severity(e.Kind, s.fault), zapcore.WarnLevel), form.again, append(fields(s.event), zap.Int("grants", s.grants), zap.Int("failures", s.count),
			zap.Time("since", s.since)), s.fault)
	}
}

// write logs a line about a fault. An error, which a person must act on, always says how.
func (l *Log) write(level zapcore.Level, message string, about []zap.Field, f *fault.Error) {
	hint := f.Hint
	if hint == "" && level == zapcore.ErrorLevel {
		hint = "run `ecr-refreshd doctor`, which looks for the cause"
	}
	l.logger.Log(level, message, append(about, zap.String("reason", string(f.Reason)), zap.String("hint", hint), zap.String("error", f.Error()))...)
}

// severity is the level of a failure: an error only when a person must act.
func severity(k renew.Kind, f *fault.Error) zapcore.Level {
	switch {
	case k == renew.Undone && f.Hint == undoneHint:
		return zapcore.InfoLevel
	case k == renew.Undone: // it is stored again
		return zapcore.WarnLevel
	}
	switch f.Reason {
	case fault.Denied, fault.Credentials, fault.Rejected, fault.Local:
		return zapcore.ErrorLevel
	}
	return zapcore.WarnLevel
}

// warn logs a target's warning once, whichever grant it comes with.
func (l *Log) warn(e renew.Event) {
	same := l.warnings[e.Target] == e.Warning
	l.warnings[e.Target] = e.Warning
	if !same && e.Warning != "" {
		l.logger.Warn("target is not safe", zap.String("target", e.Target), zap.String("hint", e.Warning))
	}
}

func fields(e renew.Event) []zap.Field {
	fs := []zap.Field{zap.Array("host", Hosts(e.Hosts))}
	text := func(key, value string) {
		if value != "" {
			fs = append(fs, zap.String(key, value))
		}
	}
	span := func(key string, d time.Duration) {
		if d > 0 {
			fs = append(fs, zap.Duration(key, d))
		}
	}
	instant := func(key string, t time.Time) {
		if !t.IsZero() {
			fs = append(fs, zap.Time(key, t))
		}
	}
	text("account", e.Account)
	text("region", e.Grant.Region)
	text("identity", e.Grant.Identity)
	text("target", e.Target)
	if e.Attempt > 0 {
		fs = append(fs, zap.Int("attempt", e.Attempt))
	}
	span("took", e.Took)
	instant("expires_at", e.ExpiresAt)
	instant("next_refresh_at", e.NextRefreshAt)
	span("retry_in", e.RetryIn)
	text("output", e.Output)
	return fs
}
