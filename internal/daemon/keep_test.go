package daemon

import (
	"context"
	"errors"
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
		text, tries := "no store", 0
		d := &Daemon{changes: make(changes, 1), current: &generation{config: &config.Config{}},
			Options: Options{Logger: zap.New(core), Keep: func(map[string]login.Token) error {
				tries++
				return errors.New(text)
			}}}
		d.changes <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.keep(ctx, func() {}) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := logs.Len(); n != 1 || tries < 50 {
			t.Errorf("%d lines for %d tries, want 1", n, tries)
		}
		text = "another"
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := logs.Len(); n != 2 {
			t.Errorf("%d lines with another error, want 2", n)
		}
		cancel()
		<-ended
	})
}
