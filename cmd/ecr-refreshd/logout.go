package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/daemon"
)

func newLogout(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Take our logins out of every target, for when the daemon is to run no more",
		Long: `Takes the logins of the configuration's registries out of its docker-config
targets, and the entries of the credential helper with them. Other logins stay.
Stop the daemon first: it would put them back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			c, err := f.load()
			if err != nil {
				return err
			}
			client, err := f.client()
			if err != nil {
				return err
			}
			if _, err := client.Status(ctx); !errors.Is(err, api.ErrNoDaemon) {
				return failed(errors.New("a daemon is running and would log in again; stop it first: systemctl stop ecr-refreshd.socket ecr-refreshd"))
			}
			d, err := daemon.New(c, daemon.Options{})
			if err != nil {
				return misused(err)
			}
			if err := d.Logout(ctx); err != nil {
				return failed(err)
			}
			return nil
		},
	}
}
