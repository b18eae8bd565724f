package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/stdlog"
	"ecr-refreshd/internal/targets"
)

// flags are those that more than one command has.
type flags struct {
	config string
	level  choice
	format choice
	output choice
	kinds  config.Kinds // of targets
	unread error        // of load, when the daemon's socket had to be guessed for it; see client
	flush  func()       // writes what was logged
}

// choice is a flag with a few values.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("%q is not one of %s", s, strings.Join(c.allowed, ", "))
	}
	c.value = s
	return nil
}

func newFlags() *flags {
	return &flags{
		level:  choice{allowed: []string{"debug", "info", "warn", "error"}},
		format: choice{allowed: []string{"auto", "console", "json"}},
		output: choice{value: "table", allowed: []string{"table", "json"}},
		kinds:  targets.Kinds,
		flush:  func() {},
	}
}

func newRoot(f *flags) *cobra.Command {
	root := &cobra.Command{
		Use:   "ecr-refreshd",
		Short: "Keeps every Docker on this host logged in to Amazon ECR",
		Long: `ecr-refreshd fetches ECR authorization tokens, renews each well before it
expires after 12 hours, hands it to Docker's credential helper, and stores it
where other clients look for it.

Start with ` + "`ecr-refreshd check`" + ` to see what results from the configuration, then
` + "`ecr-refreshd once`" + ` to log in now, or ` + "`ecr-refreshd run`" + ` to stay logged in.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p := root.PersistentFlags()
	p.StringVar(&f.config, "config", "", "configuration `file` (default $ECR_REFRESHD_CONFIG, then a user's own ~/.config/ecr-refreshd/config.yaml, then /etc/ecr-refreshd/config.yaml)")
	p.Var(&f.level, "log-level", "least severe log line to write (default as configured)")
	p.Var(&f.format, "log-format", "form of the log (default as configured)")
	root.AddCommand(newInit(f), newRun(f), newOnce(f), newCheck(f), newDoctor(f), newStatus(f), newRefresh(f), newToken(f), newConfigureDocker(f), newLogout(f),
		newVersion())
	return root
}

// withOutput adds --output to a command that has a result.
func (f *flags) withOutput(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Var(&f.output, "output", "form of the result")
	return cmd
}

// noFile is the cause of load's error when there is no configuration file.
type noFile struct{ error }

// load finds and reads the configuration; its error is ready to be returned. It
// returns when ctx ends, though the file's file system may not answer.
func (f *flags) load(ctx context.Context) (*config.Config, error) {
	type result struct {
		config *config.Config
		err    error
	}
	read := make(chan result, 1)
	go func() {
		path, err := config.Find(f.config, os.Getenv, os.Getuid())
		if err != nil {
			read <- result{nil, misused(noFile{err})}
			return
		}
		c, err := config.Load(path, f.kinds)
		if err != nil {
			err = misused(err)
		}
		read <- result{c, err}
	}()
	select {
	case r := <-read:
		return r.config, r.err
	case <-ctx.Done():
		return nil, failed(fmt.Errorf("read the configuration: %w", context.Cause(ctx)))
	}
}

// logger makes the logger that flags and configuration ask for; flags win. It takes
// what comes to the standard logger, too, but never its text.
func (f *flags) logger(c config.Log) (*zap.Logger, zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(first(f.level.value, c.Level))
	if err != nil {
		return nil, level, misused(err)
	}
	logger := newLogger(os.Stderr, level, first(f.format.value, c.Format))
	f.flush = func() { _ = logger.Sync() } // it has no error
	stdlog.Divert(func(lines int) {
		logger.Warn("a library has written to a log of its own; the text is not shown, as a secret may be in it", zap.Int("lines", lines))
	})
	return logger, level, nil
}

// first gives the first that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
