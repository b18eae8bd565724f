package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/eventlog"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/status"
)

func newOnce(f *flags) *cobra.Command {
	limit, out, textfile := 5*time.Minute, false, ""
	cmd := &cobra.Command{
		Use:   "once",
		Short: "Renew and store everything once, and print the result",
		Long: `Renews every token once, stores it in every target and prints a table, as a cron
job would. It logs nothing unless --log-level is set. Each error is one line on
standard error, and makes the exit code 1. While it works, a terminal shows what
is waited for.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			if out {
				return logout(ctx, f)
			}
			return once(ctx, cmd, f, textfile)
		},
	}
	cmd.Flags().StringVar(&textfile, "textfile", "", "write metrics into this `FILE`, NAME.prom, for node_exporter's textfile collector")
	cmd.Flags().BoolVar(&out, "logout", out, "remove the logins instead, as logout does")
	cmd.Flags().DurationVar(&limit, "timeout", limit, "give up after this long")
	cmd.MarkFlagsMutuallyExclusive("logout", "textfile")
	return f.withOutput(cmd)
}

func once(ctx context.Context, cmd *cobra.Command, f *flags, textfile string) error {
	if textfile != "" && filepath.Ext(textfile) != ".prom" {
		return misused(fmt.Errorf("--textfile %s: node_exporter reads only files whose names end in .prom", textfile))
	}
	c, err := f.load(ctx)
	if err != nil {
		return err
	}
	var watching []renew.Observer
	logger := zap.NewNop()
	if f.level.value != "" {
		if logger, _, err = f.logger(c.Log); err != nil {
			return err
		}
		watching = append(watching, eventlog.New(logger))
	}
	d, err := daemon.New(c, withRecord(c, daemon.Options{Version: version(), Logger: logger, Observers: watching}))
	if err != nil {
		return misused(err)
	}
	hide := func() {}
	if f.level.value == "" && canRedraw(os.Stderr) {
		hide = showProgress(os.Stderr, d.Registries)
	}
	left := fault.All(d.ClearFormer(ctx))
	err = d.Once(ctx)
	hide()
	registries := d.Registries()
	for i := range registries {
		registries[i].NextRefreshAt = nil // there will be nobody to do it
	}
	if f.output.value == "json" {
		if err := printJSON(cmd.OutOrStdout(), map[string]any{"registries": registries}); err != nil {
			return failed(err)
		}
	} else {
		colour := painter(cmd.OutOrStdout())
		if err := printRegistries(cmd.OutOrStdout(), registries, time.Now(), colour); err != nil {
			return failed(err)
		}
		printWarnings(cmd.OutOrStdout(), registries, colour)
	}
	var unwritten error
	if textfile != "" {
		if unwritten = writeTextfile(d, textfile); unwritten != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "ecr-refreshd:", unwritten)
		}
	}
	for _, f := range left {
		fmt.Fprintf(cmd.ErrOrStderr(), "ecr-refreshd: login of a former configuration not removed: %s\n", line(f.Error(), f.Hint))
	}
	if err == nil && len(left) == 0 && unwritten == nil {
		return nil
	}
	complaint := complain(cmd, registries)
	if complaint == nil && (len(left) > 0 || unwritten != nil) {
		complaint = failed(nil)
	}
	if ctx.Err() != nil {
		return failed(fmt.Errorf("ended before everything was done: %w", context.Cause(ctx)))
	}
	return complaint
}

// complain says on standard error what is wrong, and fails if anything is not
// well.
func complain(cmd *cobra.Command, registries []status.Registry) error {
	for _, t := range troubles(registries) {
		fmt.Fprintf(cmd.ErrOrStderr(), "ecr-refreshd: %s: %s\n", t.hosts, t.text)
	}
	if slices.ContainsFunc(registries, func(r status.Registry) bool { return !r.Well() }) {
		return failed(nil)
	}
	return nil
}
