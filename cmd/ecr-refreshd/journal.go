package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap/zapcore"

	"ecr-refreshd/internal/eventlog"
	"ecr-refreshd/internal/systemd"
)

// maxJournalHosts bounds the fields of one entry: journald drops one with more than 1,024.
const maxJournalHosts = 900

// journalCore writes log lines to systemd's journal in its own protocol, so that
// each field can be asked for: `journalctl -u ecr-refreshd HOST=...`. The message
// has the fields too, for those who read it. A line that the journal does not take
// goes to the fallback.
type journalCore struct {
	zapcore.LevelEnabler
	send     func([]systemd.Field) error // systemd.Log, or a test's own
	fallback zapcore.Core
	fields   []zapcore.Field
}

func (c *journalCore) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.fields = slices.Concat(c.fields, fields)
	return &with
}

func (c *journalCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *journalCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	all := slices.Concat(c.fields, fields)
	encoder := zapcore.NewMapObjectEncoder()
	hosts := make(map[string][]string) // of fields of which the message has a part
	for _, f := range all {
		f.AddTo(encoder)
		if h, ok := f.Interface.(eventlog.Hosts); ok {
			hosts[f.Key] = h
		}
	}
	message, sent := e.Message, []systemd.Field{{Name: "SYSLOG_IDENTIFIER", Value: "ecr-refreshd"},
		{Name: "PRIORITY", Value: strconv.Itoa(priority(e.Level))}}
	for _, key := range slices.Sorted(maps.Keys(encoder.Fields)) {
		values := texts(encoder.Fields[key])
		every, ok := hosts[key]
		if !ok {
			every = values
		}
		every = every[:min(len(every), maxJournalHosts)]
		for _, v := range every {
			sent = append(sent, systemd.Field{Name: strings.ToUpper(key), Value: v})
		}
		if text := strings.Join(values, ","); text != "" {
			message += " " + key + "=" + quoted(text)
		}
	}
	if err := c.send(append(sent, systemd.Field{Name: "MESSAGE", Value: message})); err != nil {
		return c.fallback.Write(e, all)
	}
	return nil
}

func (c *journalCore) Sync() error { return nil }

// texts gives the values of a field, one but for a list. Durations are seconds, as
// in JSON.
func texts(v any) []string {
	switch v := v.(type) {
	case time.Duration:
		return []string{strconv.FormatFloat(seconds(v), 'f', -1, 64)}
	case time.Time:
		return []string{instant(v)}
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, texts(item)...)
		}
		return all
	}
	return []string{fmt.Sprint(v)}
}

// quoted marks where a text begins and ends that would run into others.
func quoted(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
