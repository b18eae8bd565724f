// Command ecr-refreshd keeps every Docker on a host logged in to Amazon ECR.
// This package is flags, signals, the logger, tables and the exit code, a file
// per command; what the program does is in internal/daemon.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/nodump"
)

// Exit codes, fixed for scripts.
const (
	exitOK     = 0
	exitFailed = 1 // the work failed, in part or whole
	exitUsage  = 2 // usage or configuration
	exitAbsent = 3 // no daemon to talk to
)

// ending is how long the program may take to end after a signal; 5 s is promised.
const ending = 4900 * time.Millisecond

func main() {
	nodump.Set()
	log.SetOutput(io.Discard) // see stdlog
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program, but for the process around it.
func run(args []string, stdout, stderr io.Writer) int {
	keepForOneself()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return bounded(ctx, func() int { return newFlags().execute(ctx, args, stdout, stderr) })
}

// bounded returns what command does, and soon after the end of ctx whatever a file
// system, a terminal or a pipe makes the command wait for.
func bounded(ctx context.Context, command func() int) int {
	code := make(chan int, 1)
	go func() { code <- command() }()
	select {
	case c := <-code:
		return c
	case <-ctx.Done():
	}
	select {
	case c := <-code:
		return c
	case <-time.After(ending):
		return exitFailed
	}
}

// execute runs the command that args name and says on stderr why it failed.
func (f *flags) execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(f)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	f.flush()
	if err == nil {
		return exitOK
	}
	var done *outcome
	if errors.As(err, &done) {
		explain(stderr, done.err)
		return done.code
	}
	fmt.Fprintf(stderr, "ecr-refreshd: %v\nType `ecr-refreshd --help` for what there is.\n", err)
	return exitUsage
}

// keepForOneself sees that what this program starts (credential_process, an MFA
// command, ssh, getent) inherits none of the capabilities that a unit may give it
// for other accounts' files. It keeps them itself.
func keepForOneself() {
	// Without cgo this acts on every thread; with it, as in tests, it does nothing.
	_, _, _ = syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
}

// outcome is an error with the exit code that it leads to. Any other error of
// a command is cobra's, about its usage.
type outcome struct {
	code int
	err  error // nil when everything has been said
}

func (o *outcome) Error() string { return fmt.Sprint(o.err) }
func (o *outcome) Unwrap() error { return o.err }

func failed(err error) error  { return &outcome{exitFailed, err} }
func misused(err error) error { return &outcome{exitUsage, err} }

// several are errors to be told apart from each other.
type several []error

func (s several) Error() string   { return errors.Join(s...).Error() }
func (s several) Unwrap() []error { return s }

// explain says an error in one line for each thing that is wrong, with what to
// do about it.
func explain(w io.Writer, err error) {
	var each several
	var problems config.Problems
	var f *fault.Error
	switch {
	case errors.As(err, &each):
		for _, err := range each {
			explain(w, err)
		}
	case err == nil:
	case errors.As(err, &problems):
		fmt.Fprintln(w, problems)
	case errors.As(err, &f):
		for _, f := range fault.All(err) {
			fmt.Fprintln(w, "ecr-refreshd:", line(f.Error(), f.Hint))
		}
	default:
		fmt.Fprintln(w, "ecr-refreshd:", err)
	}
}

// line joins what went wrong and what to do about it.
func line(message, hint string) string {
	if hint == "" {
		return message
	}
	return message + "; " + hint
}
