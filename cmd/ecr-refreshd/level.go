package main

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// levels is the level of the log while the daemon runs. It is used by one goroutine.
type levels struct {
	logger     *zap.Logger
	level      zap.AtomicLevel
	configured zapcore.Level
}

// toggle turns debug lines on, or goes back to the configured level.
func (l *levels) toggle() {
	switch {
	case l.configured == zapcore.DebugLevel:
		l.logger.Info("log level stays", zap.Stringer("level", l.configured), zap.String("hint", "debug is the configured level; set another log.level and reload"))
	case l.level.Level() == zapcore.DebugLevel:
		l.set(l.configured, "as configured")
	default:
		l.set(zapcore.DebugLevel, "send SIGUSR2 again, or reload, to go back to "+l.configured.String())
	}
}

// configure takes the level of a configuration that was read again.
func (l *levels) configure(level zapcore.Level) {
	l.configured = level
	if level != l.level.Level() {
		l.set(level, "as configured")
	}
}

// set changes the level and says so while the more talkative one of both is in force.
func (l *levels) set(level zapcore.Level, hint string) {
	former := l.level.Level()
	l.level.SetLevel(min(level, former))
	l.logger.Info("log level changed", zap.Stringer("level", level), zap.Stringer("former", former), zap.String("hint", hint))
	l.level.SetLevel(level)
}
