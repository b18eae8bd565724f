package main

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"ecr-refreshd/internal/systemd"
)

// newLogger writes to f: json for machines, console for people, and with auto what
// f is: console on a terminal, the journal's own protocol where f leads to it, json
// elsewhere. Times are UTC and durations seconds in JSON and the journal, both to the
// millisecond; people read the local time and 1.5s. Lines are written soon, and none waits for f: see spooled.
func newLogger(f *os.File, level zap.AtomicLevel, format string) *zap.Logger {
	e := zap.NewProductionEncoderConfig()
	e.TimeKey = "time"
	e.EncodeTime = func(t time.Time, to zapcore.PrimitiveArrayEncoder) { to.AppendString(instant(t)) }
	e.EncodeDuration = func(d time.Duration, to zapcore.PrimitiveArrayEncoder) { to.AppendFloat64(seconds(d)) }
	var encoder zapcore.Encoder
	if format == "console" || format != "json" && term.IsTerminal(int(f.Fd())) {
		e.EncodeTime, e.EncodeDuration = zapcore.TimeEncoderOfLayout("15:04:05.000"), zapcore.StringDurationEncoder
		encoder = zapcore.NewConsoleEncoder(e)
	} else {
		encoder = zapcore.NewJSONEncoder(e)
	}
	inJournal := isJournal(f, os.Getenv("JOURNAL_STREAM"))
	if inJournal {
		encoder = prioritized{encoder}
	}
	core := zapcore.NewCore(encoder, zapcore.AddSync(f), level)
	if inJournal && format != "json" && format != "console" {
		core = &journalCore{LevelEnabler: level, send: systemd.Log, fallback: core}
	}
	return zap.New(newSpooled(core))
}

// instant is a time as machines read it, to the millisecond.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// seconds is a duration as machines read it, to the millisecond.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

// isJournal reports whether f leads to systemd's journal, which says so by
// naming device and inode.
func isJournal(f *os.File, stream string) bool {
	var st unix.Stat_t
	return stream != "" && unix.Fstat(int(f.Fd()), &st) == nil && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// prioritized puts before each line the priority that the journal understands
// and takes away, so that `journalctl -p warning` finds what it should. See
// sd-daemon(3).
type prioritized struct{ zapcore.Encoder }

func (p prioritized) Clone() zapcore.Encoder { return prioritized{p.Encoder.Clone()} }

func (p prioritized) EncodeEntry(e zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line, err := p.Encoder.EncodeEntry(e, fields)
	if err != nil {
		return nil, err
	}
	out := lines.Get()
	fmt.Fprintf(out, "<%d>%s", priority(e.Level), line.Bytes())
	line.Free()
	return out, nil
}

var lines = buffer.NewPool()

func priority(l zapcore.Level) int {
	switch {
	case l >= zapcore.ErrorLevel:
		return 3
	case l == zapcore.WarnLevel:
		return 4
	case l == zapcore.InfoLevel:
		return 6
	}
	return 7
}
