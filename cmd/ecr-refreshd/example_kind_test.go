package main

// This file is a whole kind of target, a text file with a line for each login. It suits
// a file that the service owns, in /var/lib/ecr-refreshd for example, and is not safe for one in a
// user's home, where the user could put a link in its place.
// TestAKindIsOneLineOfTheTable uses it; CONTRIBUTING.md says how to copy it for a new kind.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// Options says which file.
type Options struct{ Path string }

// Read reads the options of one target.
func Read(b *config.Block) config.Options {
	var o Options
	b.Read(config.String("path", "The file that holds the lines.", &o.Path, config.AbsolutePath))
	if o.Path == "" && b.Good() {
		b.Report("", "has no path; write path: /var/lib/ecr-refreshd/logins, say")
	}
	return o
}

// Place is the file.
func (o Options) Place() string { return filepath.Clean(o.Path) }

// New makes the target.
func (o Options) New() (config.Destination, error) { return &Target{path: o.Path}, nil }

// Target keeps a line "HOST PASSWORD" for each login in one file. It is safe for
// concurrent use.
type Target struct{ path string }

// limit is how long one call may take.
const limit = 10 * time.Second

// locks has a lock, a channel with room for one, for each path in use. It is no field of
// Target, since after a reload the targets of both configurations work on the file at
// the same time.
var locks sync.Map

var (
	_ renew.Checker  = (*Target)(nil)
	_ renew.Remover  = (*Target)(nil)
	_ renew.Releaser = (*Target)(nil)
)

// String names the file.
func (t *Target) String() string { return t.path }

// Store puts the logins into the file.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	return t.edit(ctx, "store logins", func(lines []string) []string {
		for _, l := range logins {
			lines = append(without(lines, l.Host), lineOf(l.Host, l.Secret.Reveal()))
		}
		return lines
	})
}

// Stale reports whether a login's line is not there.
func (t *Target) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	var lines []string
	err := t.within(ctx, "look for logins", func() (err error) {
		lines, err = t.read()
		return err
	})
	if err != nil {
		return false, err
	}
	missing := func(l login.Login) bool { return !slices.Contains(lines, lineOf(l.Host, l.Secret.Reveal())) }
	return slices.ContainsFunc(logins, missing), nil
}

// Remove takes out the lines that are as they were stored.
func (t *Target) Remove(ctx context.Context, logins []login.Login) error {
	return t.edit(ctx, "remove logins", func(lines []string) []string {
		for _, l := range logins {
			lines = slices.DeleteFunc(lines, func(s string) bool { return s == lineOf(l.Host, l.Secret.Reveal()) })
		}
		return lines
	})
}

// Release is Remove: beyond the logins, nothing is kept of a host.
func (t *Target) Release(ctx context.Context, logins []login.Login) error {
	return t.Remove(ctx, logins)
}

// Forget takes out the lines of hosts that are ours.
func (t *Target) Forget(ctx context.Context, ours func(host string) bool) error {
	return t.edit(ctx, "remove logins", func(lines []string) []string {
		return slices.DeleteFunc(lines, func(s string) bool { return ours(hostOf(s)) })
	})
}

func lineOf(host, password string) string { return host + " " + password }

func hostOf(line string) string {
	host, _, _ := strings.Cut(line, " ")
	return host
}

func without(lines []string, name string) []string {
	return slices.DeleteFunc(lines, func(s string) bool { return hostOf(s) == name })
}

// read returns the file's lines; none where there is no file.
func (t *Target) read() ([]string, error) {
	data, err := filetrust.Read("path", t.path, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' }), err
}

// edit rewrites the file within the limit.
func (t *Target) edit(ctx context.Context, op string, change func(lines []string) []string) error {
	return t.within(ctx, op, func() error { return t.rewrite(change) })
}

// within does something with the file. It returns when ctx ends, and after the limit: a
// file system that hangs keeps the goroutine and the lock, so there is at most one
// such goroutine for each path.
func (t *Target) within(ctx context.Context, op string, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes longer than %s", limit))
	defer cancel()
	lock, _ := locks.LoadOrStore(filepath.Clean(t.path), make(chan struct{}, 1))
	locked := lock.(chan struct{})
	done := make(chan error, 1)
	select {
	case <-ctx.Done():
		return t.fault(op, context.Cause(ctx))
	case locked <- struct{}{}:
		go func() {
			err := do()
			<-locked
			done <- err
		}()
	}
	select {
	case <-ctx.Done():
		return t.fault(op, context.Cause(ctx))
	case err := <-done:
		if err != nil {
			return t.fault(op, err)
		}
		return nil
	}
}

// rewrite replaces the file by what change makes of its lines, unless that is the same.
func (t *Target) rewrite(change func(lines []string) []string) error {
	lines, err := t.read()
	if err != nil {
		return err
	}
	before := slices.Clone(lines)
	if lines = change(lines); slices.Equal(lines, before) {
		return nil
	}
	var text bytes.Buffer
	for _, s := range lines {
		fmt.Fprintln(&text, s)
	}
	// A reader sees the whole file, old or new, and nobody else may read it.
	part := t.path + ".part"
	if err := os.WriteFile(part, text.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(part, t.path)
}

func (t *Target) fault(op string, err error) error {
	return &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("%s in %q", op, t.path), Err: err,
		Hint: "see that the directory exists and may be written to: ls -ld " + filepath.Dir(t.path)}
}
