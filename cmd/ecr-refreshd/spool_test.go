package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// stuckPipe takes nothing until somebody reads, and then all.
type stuckPipe struct {
	strings.Builder
	read chan struct{}
}

func (p *stuckPipe) Write(b []byte) (int, error) {
	<-p.read
	return p.Builder.Write(b)
}

func TestAStuckLogHoldsUpNothing(t *testing.T) {
	for name, text := range map[string]string{"many lines": "", "long lines": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipe := &stuckPipe{read: make(chan struct{})}
				core := newSpooled(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), zapcore.AddSync(pipe), zap.InfoLevel))
				defer close(core.spool.lines)
				logger := zap.New(core).With(zap.String("a", "b"))
				const lines = maxSpoolLines + 100
				for range lines {
					logger.Info("line", zap.String("text", text))
				}
				started := time.Now()
				_ = logger.Sync()
				if waited := time.Since(started); waited != flushTime {
					t.Errorf("the end waits %v for a stuck pipe, want %v", waited, flushTime)
				}
				close(pipe.read)
				synctest.Wait()
				logger.Info("last")
				_ = logger.Sync()
				kept := strings.Count(pipe.String(), `{"msg":"line","a":"b"`)
				said := fmt.Sprintf(`dropped, because the log could not be written","lines":%d}`, lines-kept)
				if kept == 0 || kept == lines || !strings.Contains(pipe.String(), said) || !strings.HasSuffix(pipe.String(), `{"msg":"last","a":"b"}`+"\n") {
					t.Errorf("%d lines of %d kept", kept, lines)
				}
				if left := core.spool.text.Load(); left != 0 {
					t.Errorf("%d bytes count as waiting", left)
				}
			})
		})
	}
}

func TestTheEndWaitsForNoCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hangs := make(chan struct{})
		defer close(hangs)
		time.AfterFunc(time.Hour, cancel)
		started := time.Now()
		code := bounded(ctx, func() int { <-hangs; return exitOK })
		if took := time.Since(started); code != exitFailed || took <= time.Hour || took > time.Hour+5*time.Second {
			t.Errorf("code %d after %v", code, took)
		}
	})
}
