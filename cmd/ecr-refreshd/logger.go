package main

import (
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

// newLogger writes to f: json for machines, console for people, auto by
// whether f is a terminal. Durations are seconds in JSON, as units are
// elsewhere, and 1.5s for people.
func newLogger(f *os.File, level zap.AtomicLevel, format string) *zap.Logger {
	e := zap.NewProductionEncoderConfig()
	e.TimeKey, e.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	encoder := zapcore.NewJSONEncoder
	if format == "console" || format != "json" && term.IsTerminal(int(f.Fd())) {
		e.EncodeTime, e.EncodeDuration = zapcore.TimeEncoderOfLayout("15:04:05.000"), zapcore.StringDurationEncoder
		encoder = zapcore.NewConsoleEncoder
	}
	return zap.New(zapcore.NewCore(encoder(e), zapcore.Lock(f), level))
}
