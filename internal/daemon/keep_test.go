package daemon

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
)

func TestAHandoverThatKeepsFailingIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.InfoLevel)
		var text atomic.Value
		text.Store("no store")
		var tries atomic.Int32
		d := &Daemon{changes: make(changes, 1), current: &generation{config: &config.Config{}},
			Options: Options{Logger: zap.New(core), Keep: func(map[string]login.Token) error {
				tries.Add(1)
				return errors.New(text.Load().(string))
			}}}
		d.changes <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.keep(ctx, true, func() bool { return true }) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := logs.Len(); n != 1 || tries.Load() < 50 {
			t.Errorf("%d lines for %d tries, want 1", n, tries.Load())
		}
		text.Store("another")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := logs.Len(); n != 2 {
			t.Errorf("%d lines with another error, want 2", n)
		}
		cancel()
		<-ended
	})
}

// A full disk or an engine that is away may be why.
func TestWhatCouldNotBeClearedAtTheStartIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Daemon{changes: make(changes, 1), current: &generation{config: &config.Config{}}}
		ctx, cancel := context.WithCancel(t.Context())
		ended, tries := make(chan struct{}), 0
		go func() {
			defer close(ended)
			d.keep(ctx, false, func() bool { tries++; return tries == 3 })
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries != 3 {
			t.Errorf("%d tries, want 3, the last of which did it", tries)
		}
		cancel()
		<-ended
	})
}
