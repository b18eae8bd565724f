package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/registry"
)

func newToken(f *flags) *cobra.Command {
	format := choice{value: "password", allowed: []string{"password", "basic", "header", "json"}}
	cmd := &cobra.Command{
		Use:   "token HOST",
		Short: "Print the token for one registry",
		Long: `Prints the token that the running daemon holds for a registry:

  ecr-refreshd token HOST | docker login --username AWS --password-stdin HOST
  curl -H "$(ecr-refreshd token HOST --format header)" https://HOST/v2/REPOSITORY/tags/list

Formats: password, as docker login wants it; basic, base64 of user:password;
header, an Authorization header; json, with the token's expiry.

With --config, if no daemon runs, it requests a new one from AWS.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			host, err := hostName(args[0])
			if err != nil {
				return err
			}
			l, err := f.token(ctx, host)
			if err != nil {
				return f.answered(err)
			}
			if format.value == "json" {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"ServerURL": l.Host, "Username": l.Username,
					"Secret": l.Secret.Reveal(), "ExpiresAt": l.ExpiresAt.UTC()})
			} else {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), inFormat(l, format.value))
			}
			if err != nil {
				return failed(err)
			}
			return nil
		},
	}
	cmd.Flags().Var(&format, "format", "form of the token")
	return cmd
}

// coming is how long a token that is on its way is waited for.
const coming = 10 * time.Second

// token asks the running daemon, and where there is none, AWS, if --config says
// for whom.
func (f *flags) token(ctx context.Context, host string) (login.Login, error) {
	client, err := f.client(ctx)
	if err != nil {
		return login.Login{}, err
	}
	l, err := client.Credential(ctx, host, coming)
	if f.config == "" || !errors.Is(err, api.ErrNoDaemon) {
		return l, err
	}
	c, err := f.load(ctx)
	if err != nil {
		return login.Login{}, err
	}
	d, err := daemon.New(c, daemon.Options{})
	if err != nil {
		return login.Login{}, misused(err)
	}
	return d.Token(ctx, host)
}

// inFormat gives the secret; printing it is what the command is for.
func inFormat(l login.Login, format string) string {
	switch format {
	case "basic":
		return l.Basic().Reveal()
	case "header":
		scheme := "Basic"
		if r, err := registry.Parse(l.Host); err == nil && r.Public {
			scheme = "Bearer" // ECR Public takes the whole authorization token as a bearer token
		}
		return "Authorization: " + scheme + " " + l.Basic().Reveal()
	}
	return l.Secret.Reveal()
}
