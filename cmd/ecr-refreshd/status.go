package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/doctor"
	"ecr-refreshd/internal/status"
)

// asking bounds one question to the daemon, which answers from memory.
const asking = 10 * time.Second

func newStatus(f *flags) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running daemon holds, one row for each host",
		Long: `Asks the running daemon and prints one row for each host, those with errors first,
and below the table each error with what to do. The exit code is 0 when every
token is fresh and in all its targets, 1 when not, 3 without a daemon.

A last line says where docker, run by the caller, would not send a login.

With --watch, a terminal shows a page that is redrawn every 2 seconds, with the
life of each token as a bar and what needs a person first. A daemon that is
away is waited for.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := f.client(cmd.Context())
			if err != nil {
				return err
			}
			if watch {
				shown := watched{
					ask:    func(ctx context.Context) (status.Report, error) { return ask(ctx, client) },
					away:   func(w io.Writer, err error) { explain(w, errors.Unwrap(f.answered(err))) },
					asJSON: f.output.value == "json",
					out:    cmd.OutOrStdout(), errs: cmd.ErrOrStderr(),
				}
				return shown.watch(cmd.Context())
			}
			report, err := ask(cmd.Context(), client)
			if err != nil {
				return f.answered(err)
			}
			w := cmd.OutOrStdout()
			if err := printReport(w, report, f.output.value == "json", painter(w)); err != nil {
				return failed(err)
			}
			if f.output.value != "json" {
				printOwn(cmd.Context(), w, report, client)
			}
			if !well(report) {
				return failed(nil)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "keep running: on a terminal the page is redrawn until q is typed, elsewhere a table is printed for each change, with --output json a line of JSON")
	return f.withOutput(cmd)
}

func well(report status.Report) bool {
	for _, r := range report.Registries {
		if !r.Well() {
			return false
		}
	}
	return report.Config.Error == nil && report.Socket.Error == nil && report.HTTP.Problem() == nil
}

func printReport(w io.Writer, report status.Report, asJSON bool, colour paint) error {
	if asJSON {
		return printJSON(w, report)
	}
	now := time.Now()
	fmt.Fprintf(w, "ecr-refreshd %s, up for %s, %s loaded %s ago\n", report.Version,
		status.Span(now.Sub(report.StartedAt)), report.Config.Path, status.Span(now.Sub(report.Config.LoadedAt)))
	if p := report.Config.Error; p != nil {
		fmt.Fprintln(w, colour(red, "the changed file was rejected; the previous configuration stays active:"), line(p.Message, p.Hint))
	}
	if p := report.Socket.Error; p != nil {
		fmt.Fprintln(w, colour(red, "new clients cannot connect:"), line(p.Message, p.Hint))
	}
	if p := report.HTTP.Problem(); p != nil {
		fmt.Fprintln(w, colour(red, "metrics and the page do not listen as configured:"), line(p.Message, p.Hint))
	}
	fmt.Fprintln(w)
	if err := printRegistries(w, report.Registries, now, colour); err != nil {
		return err
	}
	wrong := troubles(report.Registries)
	if len(wrong) > 0 {
		fmt.Fprintln(w)
	}
	for _, t := range wrong {
		fmt.Fprintf(w, "%s: %s\n", colour(red, t.hosts), t.text)
	}
	printWarnings(w, report.Registries, colour)
	return nil
}

// printOwn says where the caller's own docker would not use what the daemon holds.
func printOwn(ctx context.Context, w io.Writer, report status.Report, client *api.Client) {
	docker, err := doctor.OwnOf(ctx, "")
	if err != nil {
		return // an account without a name and a home
	}
	var hosts []string
	for _, r := range report.Registries {
		if r.State == status.Fresh || r.State == status.Failing {
			hosts = append(hosts, r.Host)
		}
	}
	if c := docker.Unsent(ctx, hosts, client.Credential); c != nil {
		fmt.Fprintf(w, "\n%s\n", harmless(fmt.Sprintf("docker, run by %s, does not use this login of %s: %s; run: ecr-refreshd doctor %s",
			docker.Account.Name, c.On, c.Text, c.On)))
	}
}

func ask(ctx context.Context, client *api.Client) (status.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	return client.Status(ctx)
}
