package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/status"
)

func newRefresh(f *flags) *cobra.Command {
	limit := 2 * time.Minute
	cmd := &cobra.Command{
		Use:   "refresh [HOST...]",
		Short: "Ask the running daemon to renew now, and wait for it",
		Long: `Asks the running daemon to renew the tokens of these hosts, or all, waits until
every target has the new ones, and prints how they stand. Only root and the
daemon's own user may.`,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			client, err := f.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			registries, err := renewal(ctx, client, hosts)
			if len(registries) == 0 && err != nil {
				return answered(err)
			}
			w := cmd.OutOrStdout()
			if f.output.value == "json" {
				err = printJSON(w, map[string]any{"registries": registries})
			} else {
				err = printRegistries(w, registries, time.Now(), painter(w))
			}
			if err != nil {
				return failed(err)
			}
			if err := complain(cmd, registries); err != nil {
				return err
			}
			return answered(err)
		},
	}
	cmd.Flags().DurationVar(&limit, "timeout", limit, "give up after this long")
	return f.withOutput(cmd)
}

// renewal asks for each of the hosts, or for everything, and joins the answers.
func renewal(ctx context.Context, client *api.Client, hosts []string) ([]status.Registry, error) {
	if len(hosts) == 0 {
		return client.Refresh(ctx, "")
	}
	rows := make([][]status.Registry, len(hosts))
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, host := range hosts {
		wg.Go(func() { rows[i], errs[i] = client.Refresh(ctx, host) })
	}
	wg.Wait()
	return slices.Concat(rows...), errors.Join(errs...)
}
