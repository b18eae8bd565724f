package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/eventlog"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/restart"
	"ecr-refreshd/internal/systemd"
)

func newRun(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Stay logged in: renew every token before it expires, until told to stop",
		Long: `Runs in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration
again, and keeps the old one if the new one has an error. SIGUSR1 renews now.
SIGUSR2 logs debug lines too, and the next one goes back to the configured level.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), f) },
	}
}

// settled is when the first round is over as a rule, and its garbage is given back.
const settled = 10 * time.Second

// serve is the daemon's life.
func serve(ctx context.Context, f *flags) error {
	// Before anything that takes time: a signal that comes early must not kill.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)

	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // most of the memory is the garbage of the first round; there is little work otherwise
		defer time.AfterFunc(settled, debug.FreeOSMemory).Stop()
	}
	manager, files := systemd.Take()
	c, err := f.load(ctx)
	if ctx.Err() != nil {
		return nil // as it was told to
	}
	if err != nil {
		return err
	}
	logger, level, err := f.logger(c.Log)
	if err != nil {
		return err
	}
	release, err := lock(c, logger)
	if err != nil {
		return failed(err)
	}
	defer release()
	socket := activated(files)
	if socket == nil {
		if err := daemon.Alone(ctx, c); err != nil {
			return failed(err)
		}
	}
	kept, tokens, why := restart.Open(files, manager)
	switch {
	case len(tokens) == 0:
		logger.Info("starts without tokens", zap.String("why", why))
	case why != "":
		logger.Warn("starts with tokens of the former process", zap.Int("tokens", len(tokens)), zap.String("why", why))
	default:
		logger.Info("starts with tokens of the former process", zap.Int("tokens", len(tokens)))
	}
	options := withRecord(c, daemon.Options{Version: version(), Logger: logger, Observers: []renew.Observer{eventlog.New(logger)},
		Tokens: tokens, Keep: kept.Save, Socket: socket})
	if manager != (systemd.Manager{}) {
		options.Manager = manager
	}
	d, err := daemon.New(c, options)
	if err != nil {
		return misused(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		obey(ctx, signals, &reloader{d, f, logger, levels{logger, level, level.Level()}, c.Log.Format})
	}()
	logger.Info("started", zap.String("version", version()), zap.String("config", c.Path), zap.Int("grants", len(c.Grants)))
	warn(logger, c)
	for _, w := range d.Warnings() {
		logger.Warn("environment has a mistake", zap.String("error", w))
	}
	err = d.Run(ctx)
	cancel()
	<-obeyed
	logger.Info("stopped", zap.Error(err))
	return nil
}

// activated gives the first Unix socket that the service manager listens at for
// us; nil for none.
func activated(files []*os.File) net.Listener {
	for _, f := range files {
		l, err := net.FileListener(f) // a copy; what is not a socket, or closed by now, fails
		if err != nil {
			continue
		}
		if _, ok := l.(*net.UnixListener); ok {
			return l
		}
		_ = l.Close()
	}
	return nil
}

// together is how long further signals to reload are taken for the same one: a
// service manager may send its own and the unit's.
const together = 200 * time.Millisecond

// obey acts on signals until ctx ends.
func obey(ctx context.Context, signals <-chan os.Signal, r *reloader) {
	var due <-chan time.Time // of a reload
	asked := false           // for a renewal
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			switch {
			case s == syscall.SIGUSR1:
				asked = true
			case s == syscall.SIGUSR2:
				r.levels.toggle()
			case due == nil:
				due = time.After(together)
			}
		case <-due:
			due = nil
			r.reload(ctx)
		}
		if asked && due == nil { // a reload that is due would end the renewal
			asked = false
			r.logger.Info("renewing now, as asked by a signal")
			r.daemon.Wake()
		}
	}
}

// reloader is what a reload needs of the running program.
type reloader struct {
	daemon *daemon.Daemon
	flags  *flags
	logger *zap.Logger
	levels levels
	format string // of the log, as configured at the start
}

// reload switches to the configuration as it is now, or says why not.
func (r *reloader) reload(ctx context.Context) {
	defer r.daemon.Reloading()()
	c, err := r.flags.load(ctx)
	if err == nil {
		err = r.daemon.Reload(ctx, c)
	}
	switch {
	case ctx.Err() != nil:
	case err == nil:
		if wanted, err := zap.ParseAtomicLevel(first(r.flags.level.value, c.Log.Level)); err == nil {
			r.levels.configure(wanted.Level())
		}
		if r.flags.format.value == "" && c.Log.Format != r.format {
			r.logger.Warn("log.format has changed, which takes effect at the next start", zap.String("hint", "systemctl restart ecr-refreshd"))
		}
		r.logger.Info("configuration read again", zap.String("config", c.Path), zap.Int("grants", len(c.Grants)))
		warn(r.logger, c)
	default:
		const message, hint = "configuration has an error, the former one stays", "fix it, try it with `ecr-refreshd check`, then send SIGHUP again"
		r.daemon.Refuse(err, hint)
		var problems config.Problems
		if !errors.As(err, &problems) {
			r.logger.Error(message, zap.String("reason", string(fault.Local)), zap.String("error", err.Error()), zap.String("hint", hint))
		}
		for _, p := range problems {
			r.logger.Error(message, zap.String("reason", string(fault.Local)), zap.String("error", p.Error()), zap.String("hint", hint))
		}
	}
}

// warn logs what in the configuration may be a mistake.
func warn(logger *zap.Logger, c *config.Config) {
	for _, w := range c.Warnings() {
		logger.Warn("configuration may have a mistake", zap.String("error", w.Error()))
	}
}

// lock keeps a second daemon away. Where there is no place for the lock, a
// daemon without one is better than none.
func lock(c *config.Config, logger *zap.Logger) (release func(), err error) {
	dir, err := daemon.RuntimeDir()
	if err == nil {
		release, err = daemon.Lock(dir, c)
	}
	if err == nil || errors.Is(err, daemon.ErrRunning) {
		return release, err
	}
	logger.Warn("running without a lock against a second daemon", zap.Error(err), zap.String("hint", "set RUNTIME_DIRECTORY to a directory that this user can write"))
	return func() {}, nil
}
