package hook

import (
	"slices"
	"time"

	"ecr-refreshd/internal/config"
)

// settings are what a configuration says of a hook.
type settings struct {
	Command []string // the program's absolute path, and arguments
	User    string   // the account that it runs as; empty for the daemon's own
	Timeout time.Duration
}

const leastTimeout, mostTimeout = time.Second, 5 * time.Minute

// Read reads the options of an exec.
func Read(b *config.Block) config.Options {
	s := settings{Timeout: 30 * time.Second}
	b.Read(
		config.List("command", "What to run after each renewal: the program's absolute path, and arguments. It reads the logins as JSON from its standard input.",
			&s.Command, argument, "[/usr/local/bin/hook]"),
		config.String("user", "The account that it runs as. Default: the account that ecr-refreshd runs as.", &s.User, userText.OrEmpty()),
		config.Duration("timeout", "Then it is ended, with all that it has started.", &s.Timeout, leastTimeout, mostTimeout),
	)
	switch {
	case len(s.Command) == 0 && b.Good():
		b.Report("", "has no command; write command: [/usr/local/bin/hook], say")
	case len(s.Command) > 0 && b.Good("command"):
		if why, write := config.AbsolutePath.Fault(s.Command[0]); why != "" {
			if write == "" {
				write = config.AbsolutePath.Want
			}
			b.Report("command", "%q %s; write %s", s.Command[0], why, write)
		}
	}
	return s
}

var (
	argument = config.Text{Want: "text, in quotes where it is a number"}
	userText = config.Matching(config.AccountPattern, "is not an account", "the name of an account of this host, such as deploy")
)

// Place is the command: no file, and two targets with one are a mistake.
func (s settings) Place() string {
	return "exec " + s.User + " " + join(s.Command)
}

// New makes the target.
func (s settings) New() (config.Destination, error) {
	s.Command = slices.Clone(s.Command)
	return newTarget(s), nil
}
