package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/status"
)

const (
	// asking bounds one question to the daemon, which answers from memory.
	asking = 10 * time.Second
	// glance is how often --watch looks.
	glance = 2 * time.Second
)

func newStatus(f *flags) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the running daemon holds, a row a host",
		Long: `Asks the running daemon and prints a row a host, with what needs a person first,
and under the table each thing that is wrong, with what to do. The exit code is 0
when every token is fresh and in all its targets, 1 when not, 3 without a daemon.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := f.client()
			if err != nil {
				return err
			}
			if watch {
				return watchStatus(cmd.Context(), client, cmd.OutOrStdout(), f.output.value == "json")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), asking)
			defer cancel()
			report, err := client.Status(ctx)
			if err != nil {
				return answered(err)
			}
			w := cmd.OutOrStdout()
			if err := printReport(w, report, f.output.value == "json", painter(w)); err != nil {
				return failed(err)
			}
			if !well(report) {
				return failed(nil)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on showing it until interrupted")
	return f.withOutput(cmd)
}

func well(report status.Report) bool {
	for _, r := range report.Registries {
		if !r.Well() {
			return false
		}
	}
	return report.Config.Error == nil
}

func printReport(w io.Writer, report status.Report, asJSON bool, colour paint) error {
	if asJSON {
		return printJSON(w, report)
	}
	now := time.Now()
	fmt.Fprintf(w, "ecr-refreshd %s, up for %s, with %s of %s ago\n", report.Version,
		span(now.Sub(report.StartedAt)), report.Config.Path, span(now.Sub(report.Config.LoadedAt)))
	if p := report.Config.Error; p != nil {
		fmt.Fprintln(w, colour(red, "the file has an error since, and this is not in force:"), line(p.Message, p.Hint))
	}
	fmt.Fprintln(w)
	if err := printRegistries(w, report.Registries, now, colour); err != nil {
		return err
	}
	problems := problemLines(report.Registries)
	if len(problems) > 0 {
		fmt.Fprintln(w)
	}
	for _, l := range problems {
		host, text, _ := strings.Cut(l, ": ")
		fmt.Fprintf(w, "%s: %s\n", colour(red, host), text)
	}
	return nil
}

// watchStatus shows the status again and again: on a terminal in place, elsewhere
// whenever it has changed. A daemon that goes away is waited for.
func watchStatus(ctx context.Context, client *api.Client, w io.Writer, asJSON bool) error {
	inPlace := isTerminal(w) && !asJSON
	if inPlace {
		fmt.Fprint(w, "\x1b[2J")
	}
	var last string
	for {
		var b strings.Builder
		report, err := ask(ctx, client)
		if err == nil {
			err = printReport(&b, report, asJSON, painter(w))
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, api.ErrNoDaemon):
			explain(&b, err)
		case err != nil:
			return answered(err)
		}
		shown := b.String()
		if inPlace { // home, each line to its end, and what is below
			_, err = io.WriteString(w, "\x1b[H"+strings.ReplaceAll(shown, "\n", "\x1b[K\n")+"\x1b[J")
		} else if shown != last {
			_, err = io.WriteString(w, shown)
		}
		if err != nil {
			return failed(err)
		}
		last = shown
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(glance):
		}
	}
}

func ask(ctx context.Context, client *api.Client) (status.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	return client.Status(ctx)
}
