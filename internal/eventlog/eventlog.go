// Package eventlog is the Observer that writes events to a zap logger: a
// constant lower-case message and typed fields. What a person must act on is
// an error, what passes by itself a warning, and a failure that has not changed
// is logged again once an hour only.
package eventlog

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
)

const (
	// reminder is how often an unchanged failure is logged again.
	reminder = time.Hour
	// maxFaults bounds the lines of one event: a file of thousands of hosts can have
	// a fault for each.
	maxFaults = 20
	// maxHosts bounds the names in one line.
	maxHosts = 10
)

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
	failures map[subject]logged
	warnings map[string]string // the last of each target
}

// subject is what can fail and recover by itself.
type subject struct {
	grant  renew.Grant
	target string
	kind   renew.Kind
}

// logged is the last line about a subject's failure.
type logged struct {
	text string
	at   time.Time
}

// New makes a Log.
func New(logger *zap.Logger) *Log {
	return &Log{logger: logger, failures: make(map[subject]logged), warnings: make(map[string]string)}
}

// Observe writes one line for e, or for each of its first faults; an unchanged
// failure at debug level.
func (l *Log) Observe(e renew.Event) {
	level, message := zapcore.InfoLevel, ""
	switch e.Kind {
	case renew.Renewed:
		message = "token renewed"
		if l.recovered(e, renew.RenewFailed) {
			message = "token renewed again"
		}
	case renew.Adopted:
		level, message = zapcore.DebugLevel, "token kept"
	case renew.RenewFailed:
		level, message = l.failure(e), "token not renewed"
	case renew.Expired:
		level, message = zapcore.ErrorLevel, "token expired, no valid one is left"
	case renew.ClockWrong:
		level, message = l.failure(e), "reported expiry cannot be true"
	case renew.Stored:
		level, message = zapcore.DebugLevel, "login stored"
		if l.recovered(e, renew.StoreFailed) {
			level, message = zapcore.InfoLevel, "login stored again"
		}
		l.warn(e)
	case renew.StoreFailed:
		level, message = l.failure(e), "login not stored"
	case renew.CheckFailed:
		level, message = l.failure(e), "login not checked"
	case renew.Checked:
		l.recovered(e, renew.CheckFailed)
		message = "login checked again"
	case renew.Undone:
		message = "login was undone by another program, storing it again"
		if e.Err != nil {
			level = zapcore.WarnLevel
		}
	case renew.Removed:
		level, message = zapcore.WarnLevel, "login removed"
	case renew.RemoveFailed:
		level, message = l.failure(e), "login not removed"
	}
	if e.Err == nil {
		l.logger.Log(level, message, fields(e)...)
	}
	faults := fault.All(e.Err)
	more := max(len(faults)-maxFaults, 0)
	for _, f := range faults[:len(faults)-more] {
		if len(f.Hosts) > 0 {
			e.Hosts = f.Hosts
		}
		l.logger.Log(level, message, append(fields(e), zap.String("reason", string(f.Reason)),
			zap.String("hint", f.Hint), zap.String("error", f.Error()))...)
	}
	if more > 0 {
		e.Hosts = nil // those of the lines before were others
		l.logger.Log(level, message, append(fields(e), zap.String("hint", "see `ecr-refreshd status` for all"),
			zap.String("error", fmt.Sprintf("%d more faults", more)))...)
	}
}

// warn logs a target's warning once, whichever grant it comes with.
func (l *Log) warn(e renew.Event) {
	l.mu.Lock()
	same := l.warnings[e.Target] == e.Warning
	l.warnings[e.Target] = e.Warning
	l.mu.Unlock()
	if !same && e.Warning != "" {
		l.logger.Warn("target is not safe", zap.String("target", e.Target), zap.String("hint", e.Warning))
	}
}

// failure returns the level for a failure and remembers it.
func (l *Log) failure(e renew.Event) zapcore.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, text := subject{e.Grant, e.Target, e.Kind}, gist(e.Err)
	if last, ok := l.failures[s]; ok && last.text == text && e.At.Sub(last.at).Abs() < reminder {
		return zapcore.DebugLevel
	}
	l.failures[s] = logged{text, e.At}
	for _, f := range fault.All(e.Err) {
		switch f.Reason {
		case fault.Denied, fault.Credentials, fault.Rejected, fault.Local:
			return zapcore.ErrorLevel // only a person can fix it
		}
	}
	return zapcore.WarnLevel
}

// gist is what makes two failures the same to a reader. The cause's own text is
// no part of it: request ids and port numbers differ each time.
func gist(err error) string {
	var b strings.Builder
	for _, f := range fault.All(err) {
		fmt.Fprintf(&b, "%s %s; %s\n", f.Reason, f.Op, f.Hint)
	}
	return b.String()
}

// recovered forgets a failure of the kind and reports whether there was one.
func (l *Log) recovered(e renew.Event, kind renew.Kind) bool {
	if e.Partial {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := subject{e.Grant, e.Target, kind}
	_, failed := l.failures[s]
	delete(l.failures, s)
	return failed
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
