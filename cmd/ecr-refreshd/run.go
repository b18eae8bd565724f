package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/eventlog"
	"ecr-refreshd/internal/renew"
)

func newRun(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Stay logged in: renew every token before it expires, until told to stop",
		Long: `Runs in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration
again, and keeps the old one if the new one has an error. SIGUSR1 renews now.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), f) },
	}
}

// serve is the daemon's life.
func serve(ctx context.Context, f *flags) error {
	// Before anything that takes time: a signal that comes early must not kill.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)

	c, err := f.load()
	if err != nil {
		return err
	}
	logger, level, err := f.logger(c.Log)
	if err != nil {
		return err
	}
	release, err := lock(c.Path, logger)
	if err != nil {
		return failed(err)
	}
	defer release()
	d, err := daemon.New(c, daemon.Options{Logger: logger, Observers: []renew.Observer{eventlog.New(logger)}})
	if err != nil {
		return misused(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		obey(ctx, signals, d, f, logger, level)
	}()
	logger.Info("started", zap.String("version", version()), zap.String("config", c.Path), zap.Int("grants", len(c.Grants)))
	err = d.Run(ctx)
	cancel()
	<-obeyed
	logger.Info("stopped", zap.Error(err))
	return nil
}

// obey acts on signals until ctx ends.
func obey(ctx context.Context, signals <-chan os.Signal, d *daemon.Daemon, f *flags, logger *zap.Logger, level zap.AtomicLevel) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if s == syscall.SIGUSR1 {
				logger.Info("renewing now, as asked by a signal")
				d.Wake()
			} else {
				reload(ctx, d, f, logger, level)
			}
		}
	}
}

// reload switches to the configuration as it is now, or says why not.
func reload(ctx context.Context, d *daemon.Daemon, f *flags, logger *zap.Logger, level zap.AtomicLevel) {
	c, err := f.load()
	if err == nil {
		err = d.Reload(ctx, c)
	}
	switch {
	case ctx.Err() != nil:
	case err == nil:
		if wanted, err := zap.ParseAtomicLevel(first(f.level.value, c.Log.Level)); err == nil {
			level.SetLevel(wanted.Level())
		}
		logger.Info("configuration read again", zap.String("config", c.Path), zap.Int("grants", len(c.Grants)))
	default:
		const message, hint = "configuration has an error, the former one stays", "mend it, try it with `ecr-refreshd check`, then send SIGHUP again"
		var problems config.Problems
		if !errors.As(err, &problems) {
			logger.Error(message, zap.String("error", err.Error()), zap.String("hint", hint))
		}
		for _, p := range problems {
			logger.Error(message, zap.String("error", p.Error()), zap.String("hint", hint))
		}
	}
}

// lock keeps a second daemon away. Where there is no place for the lock, a
// daemon without one is better than none.
func lock(path string, logger *zap.Logger) (release func(), err error) {
	dir, err := daemon.RuntimeDir()
	if err == nil {
		release, err = daemon.Lock(dir, path)
	}
	if err == nil || errors.Is(err, daemon.ErrRunning) {
		return release, err
	}
	logger.Warn("running without a lock against a second daemon", zap.Error(err))
	return func() {}, nil
}
