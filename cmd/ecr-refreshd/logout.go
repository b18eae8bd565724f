package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/placed"
	"ecr-refreshd/internal/targets"
)

func newLogout(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Remove the logins from every target, when the daemon will not run any more",
		Long: `Removes the logins of the configuration's registries from its targets, and the
entries of the credential helper; also those of registries and targets that have
left the configuration since the daemon ran last. Other logins stay. An engine holds none. A
target that cannot forget its logins is named, with exit code 1.
Stop the daemon first: it would store them again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			return logout(ctx, f)
		},
	}
}

func logout(ctx context.Context, f *flags) error {
	c, err := f.load(ctx)
	if err != nil {
		return err
	}
	d, err := daemon.New(c, withRecord(c, daemon.Options{}))
	if err != nil {
		return misused(err)
	}
	logger, _, err := f.logger(c.Log)
	if err != nil {
		return err
	}
	// While this works, no daemon may start either.
	release, err := lock(c, logger)
	if err != nil {
		return failed(stopFirst(err))
	}
	defer release()
	if err := d.Logout(ctx); err != nil {
		return failed(err)
	}
	return nil
}

// stopFirst says of a lock that is taken what that means here.
func stopFirst(err error) error {
	var taken *fault.Error
	if !errors.As(err, &taken) {
		return err
	}
	return &fault.Error{Reason: taken.Reason, Op: "log out", Err: taken.Err,
		Hint: "it would log in again; stop it first: systemctl stop ecr-refreshd.socket ecr-refreshd"}
}

// withRecord adds where it is written down which logins lie where. Without a place for that,
// there is no record; nor is there for root beside a service with an account of its own, whose
// record it is.
func withRecord(c *config.Config, o daemon.Options) daemon.Options {
	o.Kinds = targets.Kinds
	path, err := placed.Path(os.Getenv, os.Geteuid(), c.Path)
	var dir unix.Stat_t
	if err == nil && (unix.Stat(filepath.Dir(path), &dir) != nil || int(dir.Uid) == os.Geteuid()) {
		o.Placed = path
	}
	return o
}
