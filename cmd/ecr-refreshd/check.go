package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/daemon"
	"ecr-refreshd/internal/login"
)

func newCheck(f *flags) *cobra.Command {
	return f.withOutput(&cobra.Command{
		Use:   "check",
		Short: "Print what the configuration expands to; change nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.load(cmd.Context())
			if err != nil {
				return err
			}
			d, err := daemon.New(c, daemon.Options{})
			if err != nil {
				return misused(fmt.Errorf("%s: %w", c.Path, err))
			}
			for _, w := range c.Warnings() {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %v\n", w)
			}
			for _, w := range d.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			x := expand(cmd.Context(), c, d)
			if f.output.value == "json" {
				err = printJSON(cmd.OutOrStdout(), x)
			} else {
				err = x.print(cmd.OutOrStdout())
			}
			if err != nil {
				return failed(err)
			}
			return nil
		},
	})
}

// expansion is what check prints.
type expansion struct {
	Config     string           `json:"config"`
	Grants     int              `json:"grants"` // authorization tokens, and so API calls for each renewal
	Registries []expandedHost   `json:"registries"`
	Targets    []expandedTarget `json:"targets"`
	Refresh    string           `json:"refresh"`
}

type expandedHost struct {
	Host     string   `json:"host"`
	Region   string   `json:"region"`
	Identity string   `json:"identity"`
	Targets  []string `json:"targets"`
}

type expandedTarget struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	What    string `json:"what"`
	Warning string `json:"warning,omitempty"`
}

func expand(ctx context.Context, c *config.Config, d *daemon.Daemon) expansion {
	x := expansion{Config: c.Path, Grants: len(c.Grants), Refresh: refresh(c.Refresh)}
	for _, r := range d.Registries() {
		h := expandedHost{Host: r.Host, Region: r.Region, Identity: r.Identity}
		for _, t := range r.Targets {
			h.Targets = append(h.Targets, t.Name)
		}
		x.Registries = append(x.Registries, h)
	}
	for _, t := range c.Targets {
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		warning := d.Warning(limited, t.Name) // it finds out what Target then says
		x.Targets = append(x.Targets, expandedTarget{t.Name, t.Type, d.Target(t.Name), warning})
		cancel()
	}
	return x
}

// count says how many there are of what one, or several, are called.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func (x expansion) print(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s, %s\n\n", x.Config, count(len(x.Registries), "registry", "registries"), count(x.Grants, "token", "tokens"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tREGION\tIDENTITY\tTARGETS")
	for _, r := range x.Registries {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Host, r.Region, r.Identity, strings.Join(r.Targets, ", "))
	}
	fmt.Fprintln(t, "\nTARGET\tTYPE\tDESTINATION\t")
	for _, target := range x.Targets {
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", target.Name, target.Type, target.What)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if slices.ContainsFunc(x.Registries, func(r expandedHost) bool { return strings.Contains(r.Host, login.OwnAccount) }) {
		fmt.Fprintf(w, "\n%s is the identity's own account, known after the first token.\n", login.OwnAccount)
	}
	for _, target := range x.Targets {
		if target.Warning != "" {
			fmt.Fprintf(w, "\nwarning: %s: %s\n", target.Name, target.Warning)
		}
	}
	_, err := fmt.Fprintln(w, "\n"+x.Refresh)
	return err
}

// refresh says in a sentence when tokens are renewed.
func refresh(r config.Refresh) string {
	s := fmt.Sprintf("A token is renewed when between %.0f%% and %.0f%% of its life has passed, or 5m before the AWS session behind it ends", 100*(r.At-r.Jitter), 100*r.At)
	if len(r.Schedule) > 0 {
		s += fmt.Sprintf(", or at %q, whichever comes first", r.Schedule)
	}
	return s + "."
}
