package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/doctor"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/targets/dockerconfig"
)

func newConfigureDocker(f *flags) *cobra.Command {
	var users, files []string
	var undo bool
	cmd := &cobra.Command{
		Use:   "configure-docker",
		Short: "Point a user's docker at the credential helper",
		Long: `Adds an entry to credHelpers in config.json for each configured host, so that
docker gets the login from the daemon and no token is in the file. Everything
else in the file stays. The command prints what the entries overrule. An entry
of another helper for the same host is replaced: --undo removes our entries, and
does not bring that back.

The hosts are those of the running daemon, or of the configuration if none
runs. A target with delivery: helper keeps such entries all the time: in its
file, the daemon adds them again after --undo.

The exit code is 1 too where docker, run by the account, would still not ask the
helper, because of DOCKER_AUTH_CONFIG for example.`,
		Example: `  ecr-refreshd configure-docker
  sudo ecr-refreshd configure-docker --user jenkins --user ci
  sudo ecr-refreshd configure-docker --user ci --file /srv/agent/.docker/config.json
  ecr-refreshd configure-docker --file /srv/agent/.docker/config.json --undo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			places, err := helperPlaces(users, files)
			if err != nil {
				return misused(err)
			}
			var hosts []string
			if !undo {
				if hosts, err = f.hosts(ctx); err != nil {
					return f.answered(err)
				}
			}
			reports, err := configure(ctx, places, hosts, undo)
			if f.output.value == "json" {
				if err := printJSON(cmd.OutOrStdout(), map[string]any{"files": reports}); err != nil {
					return failed(err)
				}
			} else {
				for _, r := range reports {
					fmt.Fprintln(cmd.OutOrStdout(), r)
				}
			}
			if err == nil && !undo {
				err = unasked(ctx, users, files, hosts)
			}
			if err != nil {
				return failed(err)
			}
			if _, err := exec.LookPath(credhelper.Name); err != nil && !undo {
				fmt.Fprintf(cmd.ErrOrStderr(), "ecr-refreshd: %s is not in $PATH here; install it where docker finds it, such as /usr/local/bin\n", credhelper.Name)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&users, "user", nil, "`account` whose ~/.docker/config.json it is; may be given several times. With --file, the one with whose rights it is changed")
	cmd.Flags().StringArrayVar(&files, "file", nil, "config.json to change, instead of one in a home; may be given several times")
	cmd.Flags().BoolVar(&undo, "undo", false, "remove our entries; the helpers that they replaced do not come back")
	return f.withOutput(cmd)
}

// helperPlaces are the files to change; without a choice, this user's own.
func helperPlaces(users, files []string) ([]*dockerconfig.Helper, error) {
	var options []dockerconfig.Options
	user := ""
	switch {
	case len(files) > 0 && len(users) > 1:
		return nil, errors.New("--file goes with one --user, with whose rights it is changed")
	case len(files) > 0 && len(users) == 1:
		user = users[0]
	default:
		for _, u := range users {
			options = append(options, dockerconfig.Options{User: u, Command: true})
		}
	}
	for _, path := range files {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		options = append(options, dockerconfig.Options{Path: absolute, User: user, Command: true})
	}
	if len(options) == 0 {
		options = []dockerconfig.Options{{Command: true}}
	}
	places := make([]*dockerconfig.Helper, len(options))
	for i, o := range options {
		var err error
		if places[i], err = dockerconfig.NewHelper(o); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// configure changes all files, also after an error in one.
func configure(ctx context.Context, places []*dockerconfig.Helper, hosts []string, undo bool) ([]dockerconfig.Report, error) {
	reports := []dockerconfig.Report{} // in JSON a list, also when it is empty
	var errs []error
	for _, place := range places {
		var report dockerconfig.Report
		var err error
		if undo {
			report, err = place.Undo(ctx)
		} else {
			report, err = place.Configure(ctx, hosts)
		}
		if err == nil || len(report.Hosts) > 0 {
			reports = append(reports, report)
		}
		errs = append(errs, err)
	}
	return reports, errors.Join(errs...)
}

// unasked reports for which account docker would not ask the helper in spite of the entries. Who
// names files knows which docker reads them, unless it is the caller's usual one.
func unasked(ctx context.Context, users, files, hosts []string) error {
	if len(files) > 0 {
		if len(users) > 0 || !slices.ContainsFunc(files, func(f string) bool {
			path, err := filepath.Abs(f)
			return err == nil && path == filepath.Join(os.Getenv("HOME"), ".docker", "config.json")
		}) {
			return nil
		}
	}
	if len(users) == 0 {
		users = []string{""}
	}
	var errs []error
	for _, u := range users {
		docker, err := doctor.OwnOf(ctx, u)
		if err != nil {
			continue // of an account that is in no list of accounts, no more is known
		}
		if c := docker.Unasked(ctx, hosts); c != nil {
			errs = append(errs, errors.New("docker, run by "+docker.Account.Name+", still does not ask the credential helper for "+explained(*c)))
		}
	}
	return errors.Join(errs...)
}

// explained is a check in one line.
func explained(c doctor.Check) string {
	text := line(c.Text, c.Cure)
	if c.On != "" {
		text = c.On + ": " + text
	}
	if c.Command != "" {
		text += "; run: " + c.Command
	}
	return harmless(text)
}

// hosts gives the names that the helper answers for.
func (f *flags) hosts(ctx context.Context) ([]string, error) {
	client, err := f.client(ctx)
	if err != nil {
		return nil, err
	}
	report, err := client.Status(ctx)
	var names []string
	switch {
	case err == nil:
		for _, r := range report.Registries {
			names = append(names, r.Host)
		}
	case errors.Is(err, api.ErrNoDaemon):
		c, unread := f.load(ctx)
		if unread != nil {
			if !errors.As(unread, new(noFile)) {
				f.unread = unread
			}
			return nil, err
		}
		for _, g := range c.Grants {
			for _, h := range g.Hosts {
				names = append(names, h.Name)
			}
		}
	default:
		return nil, err
	}
	known := slices.DeleteFunc(slices.Clone(names), func(h string) bool { return strings.Contains(h, login.OwnAccount) })
	if len(known) < len(names) {
		return nil, errors.New("a registry has no account in the configuration, and so no name before its first token: " +
			"write `account:` there, or start the daemon and see that `ecr-refreshd status` shows all as fresh")
	}
	slices.Sort(known)
	return slices.Compact(known), nil
}
