// Command demo, built as ecr-demo, shows ecr-refreshd at work to somebody who
// has never seen it: an emulated ECR whose tokens live a minute, the real
// daemon, and pulls all the time, with the story told as it happens and a score
// at the end.
//
// Pulls go through a real Docker Engine, which is always a private one in
// namespaces of its own (package testbed). An engine that runs on the host
// already is never used: it would need the host's /etc/hosts and certificates
// changed. Where root or a program is missing, the demo names it and pulls from
// the emulator by itself, with the login that docker would read.
//
// What is emulated lives in package emulator, what is proven in package e2e.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ecr-refreshd/internal/testbed"
)

const (
	exitOK = iota
	exitFailed
	exitUsage
	// exitLack is how the process in the test bed says that this machine has no
	// engine to show.
	exitLack

	exitInterrupted = 130 // as shells have it
)

// shortestLife is what the daemon still believes and renews in time.
const shortestLife = 4 * time.Second

// settings are the flags.
type settings struct {
	daemon string        // absolute path of ecr-refreshd
	length time.Duration // of the pulls
	life   time.Duration // of a token
	pause  time.Duration // between two pulls
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program, but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parse(args[1:], stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "ecr-demo: %v\nSee ecr-demo -h.\n", err)
		return exitUsage
	}
	out := newTimeline(stdout, colourful(stdout))
	if testbed.Inside() {
		return inside(ctx, set, out)
	}
	out.introduce(set)
	lacks := lacking(args[0])
	if len(lacks) == 0 {
		code, err := testbed.Enter(ctx)
		var lack *testbed.LackError
		switch {
		case errors.As(err, &lack):
			lacks = append(lacks, fmt.Sprintf("%s (%v)", lack.What, lack.Err))
		case err != nil:
			fmt.Fprintf(stderr, "ecr-demo: %v\n", err)
			return exitFailed
		case code != exitLack:
			return code
		}
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	out.apologise(lacks)
	return perform(ctx, set, out, openWithout)
}

// inside runs in the test bed. The terminal's Ctrl-C is for the process outside,
// which passes it on: it must not hit the engine and a pull that is under way.
func inside(ctx context.Context, set settings, out *timeline) int {
	if _, err := syscall.Setsid(); err != nil {
		out.say("cannot leave the terminal's process group: %v", err)
		return exitFailed
	}
	return perform(ctx, set, out, openEngine)
}

// perform opens a stage, plays on it and gives the exit code.
func perform(ctx context.Context, set settings, out *timeline, open func(context.Context, settings) (stage, error)) int {
	s, err := open(ctx, set)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		out.say("Stopped before it began, as asked.")
		return exitInterrupted
	case testbed.Inside():
		out.say("No private Docker Engine can run on this machine: %v", err)
		return exitLack
	default:
		out.say("The demo cannot start: %v", err)
		return exitFailed
	}
	defer s.close()
	p := newPlay(set, s, out)
	err = p.run(ctx)
	out.sum(p.score, err, s.puller())
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case err != nil || !p.score.passed():
		return exitFailed
	}
	return exitOK
}

// parse reads and checks the flags; help goes to stdout.
func parse(args []string, stdout io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("ecr-demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports errors itself
	flags.StringVar(&set.daemon, "daemon", "bin/ecr-refreshd", "the daemon's `program`")
	flags.DurationVar(&set.length, "for", 2*time.Minute, "how long to pull")
	flags.DurationVar(&set.life, "token-life", time.Minute, "how long a token is good")
	flags.DurationVar(&set.pause, "every", 3*time.Second, "the pause between two pulls")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, "Usage: ecr-demo [flags]\n\nShows ecr-refreshd at work against an emulated ECR. It needs no AWS account and\nleaves nothing behind.\n\nFlags:")
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return settings{}, err
	}
	return set.checked(flags.Args())
}

func (s settings) checked(rest []string) (settings, error) {
	switch {
	case len(rest) > 0:
		return s, fmt.Errorf("unexpected argument %q: everything is a flag", rest[0])
	case s.life < shortestLife:
		return s, fmt.Errorf("-token-life %v: write at least %v", s.life, shortestLife)
	case s.length < s.life:
		return s, fmt.Errorf("-for %v: write at least the life of a token, %v, or nothing would be shown", s.length, s.life)
	case s.pause <= 0:
		return s, fmt.Errorf("-every %v: write a positive duration such as 3s", s.pause)
	}
	path, err := filepath.Abs(s.daemon)
	if err != nil {
		return s, err
	}
	if _, err := os.Stat(path); err != nil {
		return s, fmt.Errorf("find the daemon: %w; build it with `make build`, or say where it is with -daemon", err)
	}
	s.daemon = path
	return s, nil
}
