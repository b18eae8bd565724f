package main

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxSpoolLines and maxSpoolText, in bytes, bound what waits to be written. A round
	// of thousands of hosts fits.
	maxSpoolLines = 8192
	maxSpoolText  = 4 << 20
	// flushTime is how long the end of the program waits for lines to be written.
	flushTime = 2 * time.Second
)

// spooled is a Core that writes to another one from a goroutine of its own: a pipe
// that nobody reads, or a journal that hangs, must stop neither renewals nor the end.
// When too much waits, lines are dropped, and their number is logged when the
// others flow again. Sync waits for what was written before, for flushTime at most.
type spooled struct {
	zapcore.Core
	spool *spool
}

// spool is what all the Cores have in common that With makes of one.
type spool struct {
	lines   chan func()
	text    atomic.Int64 // bytes of the lines that wait
	dropped atomic.Int64 // lines, since this was logged
}

// newSpooled starts the goroutine, which lasts as long as the process.
func newSpooled(to zapcore.Core) spooled {
	s := &spool{lines: make(chan func(), maxSpoolLines)}
	go func() {
		for write := range s.lines {
			write()
			if n := s.dropped.Swap(0); n > 0 {
				e := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: "log lines dropped, because the log could not be written"}
				_ = to.Write(e, []zapcore.Field{zap.Int64("lines", n)})
			}
		}
	}()
	return spooled{to, s}
}

func (s spooled) With(fields []zapcore.Field) zapcore.Core {
	return spooled{s.Core.With(fields), s.spool}
}

func (s spooled) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if s.Enabled(e.Level) {
		return checked.AddCore(e, s)
	}
	return checked
}

func (s spooled) Write(e zapcore.Entry, fields []zapcore.Field) error {
	text := int64(len(e.Message))
	for _, f := range fields {
		text += int64(len(f.String))
	}
	write := func() {
		_ = s.Core.Write(e, fields) // there is nowhere to say that the log failed
		s.spool.text.Add(-text)
	}
	if s.spool.text.Add(text) <= maxSpoolText {
		select {
		case s.spool.lines <- write:
			return nil
		default:
		}
	}
	s.spool.text.Add(-text)
	s.spool.dropped.Add(1)
	return nil
}

func (s spooled) Sync() error {
	limit := time.NewTimer(flushTime)
	defer limit.Stop()
	written := make(chan struct{})
	select {
	case s.spool.lines <- func() { close(written) }:
	case <-limit.C:
		return nil
	}
	select {
	case <-written:
	case <-limit.C:
	}
	return nil
}
