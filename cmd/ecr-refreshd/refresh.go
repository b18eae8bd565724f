package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

// longest is how long the daemon takes for a renewal at most, whether it is done
// or not.
const longest = 2 * time.Minute

func newRefresh(f *flags) *cobra.Command {
	limit := longest
	cmd := &cobra.Command{
		Use:   "refresh [HOST...]",
		Short: "Ask the running daemon to renew now, and wait for it",
		Long: `Asks the running daemon to renew the tokens of these hosts, or all, waits until
every target has the new ones, and prints the result. Only root and the daemon's
own user are allowed to.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hosts, err := hostNames(args)
			if err != nil {
				return err
			}
			client, err := f.client(cmd.Context())
			if err != nil {
				return err
			}
			registries, err := renewal(cmd.Context(), client, hosts, min(limit, longest))
			if err == nil || len(registries) > 0 {
				if err := printRenewal(cmd, f, registries); err != nil {
					return failed(err)
				}
			}
			complaint := complain(cmd, registries)
			if err != nil {
				return f.answered(err)
			}
			return complaint
		},
	}
	cmd.Flags().DurationVar(&limit, "timeout", limit, "give up after this long; the daemon itself does after 2m")
	return f.withOutput(cmd)
}

func printRenewal(cmd *cobra.Command, f *flags, registries []status.Registry) error {
	w := cmd.OutOrStdout()
	if f.output.value == "json" {
		return printJSON(w, map[string]any{"registries": registries})
	}
	return printRegistries(w, registries, time.Now(), painter(w))
}

// hostNames gives each of the hosts that were typed once.
func hostNames(typed []string) ([]string, error) {
	var hosts []string
	for _, t := range typed {
		host, err := hostName(t)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}

// renewal asks for each of the hosts, or for everything, and joins the answers.
// The error has what the rows do not tell.
func renewal(ctx context.Context, client *api.Client, hosts []string, limit time.Duration) ([]status.Registry, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ask := func(host string) ([]status.Registry, error) {
		rows, err := client.Refresh(ctx, host)
		switch {
		case len(troubles(rows)) > 0:
			return rows, nil
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return rows, unfinished(host, limit)
		}
		return rows, err
	}
	if len(hosts) == 0 {
		return ask("")
	}
	rows := make([][]status.Registry, len(hosts))
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, host := range hosts {
		wg.Go(func() { rows[i], errs[i] = ask(host) })
	}
	wg.Wait()
	return slices.Concat(rows...), errors.Join(errs...)
}

// unfinished says that the person's own limit was too short.
func unfinished(host string, limit time.Duration) error {
	op := "renew"
	if host != "" {
		op = fmt.Sprintf("renew %q", host)
	}
	return &fault.Error{Reason: fault.Local, Op: op, Err: fmt.Errorf("not done within %v", limit),
		Hint: "see with `ecr-refreshd status` how it goes on; --timeout gives it more time, 2m at most"}
}
