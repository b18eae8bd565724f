package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/discover"
	"ecr-refreshd/internal/targets"
)

// lookTime bounds the look at the host: a home may be on a server that is away.
const lookTime = 30 * time.Second

func newInit(f *flags) *cobra.Command {
	var i initializer
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration from what is on this host",
		Long: `Looks for everything on this host that concerns Amazon ECR: AWS profiles and the role of the
instance, the Docker Engine, the registries in the config.json files of its accounts, cron lines,
timers and scripts that log in today, Amazon's own credential helper.
From that it writes a configuration, and says what it found and what to do next.

It requests no AWS credentials and prints no secret of what it reads. An existing configuration
stays as it is, unless nothing is configured in it; --force replaces it
and keeps the old one with a ~ at the end of its name. Without root it prints what it
would write, from what it may read.`,
		Example: `  sudo ecr-refreshd init
  ecr-refreshd init --own
  sudo ecr-refreshd init --print | diff /etc/ecr-refreshd/config.yaml -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i.flag, i.uid, i.getenv = f.config, os.Getuid(), os.Getenv
			path, err := i.path()
			if err != nil {
				return misused(err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), lookTime)
			defer cancel()
			draft, err := discover.Look(ctx, discover.Options{Root: i.root, Getenv: i.getenv, UID: i.uid, Own: i.own})
			if err != nil {
				return failed(err)
			}
			if _, err := config.Parse(path, draft.Config, targets.Kinds); err != nil {
				return failed(fmt.Errorf("the draft is not a good configuration, which is an error of ecr-refreshd: %w\n%s", err, draft.Config))
			}
			tell(cmd.ErrOrStderr(), draft)
			if err := i.deliver(cmd, draft, path); err != nil {
				return failed(err)
			}
			if path != "" || i.print {
				steps(cmd.ErrOrStderr(), draft)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&i.own, "own", false, "for a service of your own (systemctl --user), not for the host's")
	cmd.Flags().BoolVar(&i.print, "print", false, "print the configuration, write nothing")
	cmd.Flags().BoolVar(&i.force, "force", false, "replace a configuration that is there")
	cmd.Flags().StringVar(&i.root, "root", "/", "look below this `directory` as if it were /, and print what fits there")
	cmd.MarkFlagsMutuallyExclusive("print", "force")
	return cmd
}

// initializer is what was asked for, and by whom.
type initializer struct {
	flag, root        string // --config, --root
	own, print, force bool
	uid               int
	getenv            func(string) string
}

// path is where the configuration goes: where the other commands look for it. It
// is empty where nothing is to be written.
func (i initializer) path() (string, error) {
	named := first(i.flag, i.getenv("ECR_REFRESHD_CONFIG"))
	switch {
	case i.own && i.uid == 0:
		return "", errors.New("root's own service is the host's: leave --own out")
	case named != "":
		return named, nil
	case i.root != "/":
		return "", nil
	case i.own:
		path := config.OwnPath(i.getenv)
		if path == "" {
			return "", errors.New("no place for a configuration of your own: set $HOME, or give --config")
		}
		return path, nil
	case i.uid == 0:
		return config.SystemPath, nil
	}
	return "", nil
}

// deliver prints the configuration, or writes it where no other one is.
func (i initializer) deliver(cmd *cobra.Command, d discover.Draft, path string) error {
	if path == "" || i.print {
		if _, err := cmd.OutOrStdout().Write(d.Config); err != nil {
			return err
		}
		if !i.print && i.root == "/" {
			fmt.Fprintln(cmd.ErrOrStderr(), "\nNothing was written: that takes root (sudo ecr-refreshd init), or --own for a service of your own.")
		}
		return nil
	}
	former, err := os.ReadFile(path)
	there := err == nil
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("look at the configuration that is there: %w", err)
	case !i.force && !blank(former):
		if _, err := cmd.OutOrStdout().Write(d.Config); err != nil {
			return err
		}
		return fmt.Errorf("%q is there already and stays as it is; --force replaces it and keeps it as %q", path, path+"~")
	}
	// Not for the owner only: the host's service runs as an account of its own.
	file, dir := fs.FileMode(0o644), fs.FileMode(0o755)
	if i.own {
		file, dir = 0o600, 0o700
	}
	if err := os.MkdirAll(filepath.Dir(path), dir); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := place(path, d.Config, file, there); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if _, err := config.Load(path, targets.Kinds); err != nil {
		return fmt.Errorf("the configuration was written, but: %w", err)
	}
	kept := ""
	if there {
		kept = "; the former one is " + path + "~"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Wrote %s%s.\n", path, kept)
	return nil
}

// tell says what was found.
func tell(w io.Writer, d discover.Draft) {
	colour := painter(w)
	var lines [][]cell
	for _, f := range d.Found {
		lines = append(lines, []cell{{"  " + f.What, faint}, {f.Text, ""}})
	}
	for _, u := range d.Unread {
		lines = append(lines, []cell{{"  not read", yellow}, {u.What + ": " + u.Text, ""}})
	}
	fmt.Fprint(w, "Found on this host:\n", align(lines, colour), "\n")
}

// steps says what to do next.
func steps(w io.Writer, d discover.Draft) {
	fmt.Fprintln(w, "\nNext:")
	for i, s := range d.Next {
		fmt.Fprintf(w, "  %d. %s\n", i+1, s.Why)
		for _, c := range s.Commands {
			fmt.Fprintln(w, "       "+c)
		}
	}
}

var plainKey = regexp.MustCompile(`^([a-z]+):`)

// blank reports whether nothing is configured in a file yet, as in the one that
// the packages bring: no registry is in it. A file that it does not understand
// is not blank.
func blank(data []byte) bool {
	under := "" // the key that a line belongs to
	for line := range bytes.Lines(data) {
		text, _, _ := strings.Cut(strings.TrimRight(string(line), " \t\r\n"), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if key := plainKey.FindStringSubmatch(text); key != nil {
			under, text = key[1], text[len(key[0]):]
		}
		if under == "" || under == "registries" && strings.TrimSpace(text) != "" {
			return false
		}
	}
	return true
}

// place puts the file where nothing was, or, to replace, in the place of
// another, which it keeps beside it. Half a file is never there.
func place(path string, data []byte, mode fs.FileMode, replace bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".config-*.yaml")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if !replace {
		return os.Link(f.Name(), path) // fails where another has been quicker
	}
	if err := os.Remove(path + "~"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(path, path+"~"); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
