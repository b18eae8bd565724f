package main

import (
	"context"
	"fmt"
	"io"
	"os"
	osuser "os/user"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/discover"
	"ecr-refreshd/internal/doctor"
)

func newDoctor(f *flags) *cobra.Command {
	var user string
	client := choice{}
	for _, c := range clientview.Clients() {
		client.allowed = append(client.allowed, string(c))
	}
	cmd := &cobra.Command{
		Use:   "doctor [HOST]",
		Short: "Find out why a pull fails, and what to do",
		Long: `Follows the way of a pull: configuration, daemon, token, registry, engine, and for each
account on this host what its clients would send and which line of which file
decides that. At a fault it prints the cause and what to do and, where nothing is left
to decide, the command that does it, to be pasted into the same shell or root's.

It changes nothing and prints no secret. It works with and without a running
daemon; run it as root to look at all accounts. The exit code is 0 when all is
well and 1 when there is a fault.`,
		Example: `  sudo ecr-refreshd doctor
  sudo ecr-refreshd doctor 111122223333.dkr.ecr.us-east-1.amazonaws.com --user jenkins`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var host string
			if len(args) > 0 {
				var err error
				if host, err = hostName(args[0]); err != nil {
					return err
				}
			}
			if user == "" && os.Geteuid() != 0 {
				if self, err := osuser.Current(); err == nil {
					user = self.Username
				}
			}
			checks := f.road(host, user, client.value).Walk(cmd.Context())
			if cmd.Context().Err() != nil {
				return failed(context.Cause(cmd.Context()))
			}
			var err error
			if f.output.value == "json" {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"checks": checks})
			} else {
				err = printChecks(cmd.OutOrStdout(), checks, painter(cmd.OutOrStdout()))
			}
			if err != nil || !doctor.Healthy(checks) {
				return failed(err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "`account` whose clients are looked at (default all that have one; for others than root, the caller)")
	cmd.Flags().Var(&client, "client", "client that is looked at (default all)")
	return f.withOutput(cmd)
}

// road is this host's.
func (f *flags) road(host, user, client string) *doctor.Road {
	return &doctor.Road{
		Host: host, User: user, Client: client,
		Load: f.load,
		Open: func(c *config.Config) (doctor.Work, error) { return daemon.New(c, daemon.Options{}) },
		Daemon: func(_ context.Context, c *config.Config) doctor.Daemon {
			sockets := credhelper.Sockets(os.Getenv, os.Geteuid())
			if os.Getenv("ECR_REFRESHD_SOCKET") == "" && c != nil && c.Socket.Path != "" {
				sockets = []string{c.Socket.Path}
			}
			return api.Dial(sockets)
		},
		System:  doctor.System{Show: doctor.Systemctl, Refreshers: refreshers},
		Clients: doctor.Host(user),
	}
}

// refreshers are what else logs in on this host.
func refreshers(ctx context.Context) ([]doctor.Refresher, error) {
	jobs, err := discover.Jobs(ctx, discover.Options{Getenv: os.Getenv, UID: os.Getuid(), Own: os.Getuid() != 0})
	var all []doctor.Refresher
	for _, j := range jobs {
		all = append(all, doctor.Refresher{Text: "logs in to ECR as well; the last one to write wins", Where: j.Where, Cure: strings.Join(j.Commands, "; ")})
	}
	return all, err
}

// harmless is text without what a terminal would act upon: names in files of other
// accounts are among it.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// printChecks prints a line a check, and below a fault its cause and cure.
func printChecks(w io.Writer, checks []doctor.Check, colour paint) error {
	var b strings.Builder
	for _, c := range checks {
		colours := map[doctor.Mark]string{doctor.OK: green, doctor.Fault: red, doctor.Note: yellow, doctor.Left: faint}
		on := c.Stop
		if c.On != "" {
			on += " " + c.On
		}
		fmt.Fprintf(&b, "%s  %s: %s\n", colour(colours[c.Mark], fmt.Sprintf("%-8s", c.Mark)), harmless(on), harmless(c.Text))
		for _, more := range []struct{ name, text string }{{"at", c.Where}, {"fix", c.Cure}, {"run", c.Command}} {
			if more.text != "" && c.Mark != doctor.OK {
				fmt.Fprintf(&b, "          %-4s %s\n", more.name+":", harmless(more.text))
			}
		}
	}
	n := len(slices.DeleteFunc(slices.Clone(checks), func(c doctor.Check) bool { return c.Mark != doctor.Fault }))
	switch n {
	case 0:
		fmt.Fprintln(&b, "\nall well")
	case 1:
		fmt.Fprintln(&b, "\n1 fault")
	default:
		fmt.Fprintf(&b, "\n%d faults; start with the first\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
