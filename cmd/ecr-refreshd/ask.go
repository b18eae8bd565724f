package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/credhelper"
)

// client talks to the running daemon: at $ECR_REFRESHD_SOCKET, where the
// configuration puts its socket, or where it is by default. With a configuration
// that cannot be used it is the latter, and f.unread tells why.
func (f *flags) client(ctx context.Context) (*api.Client, error) {
	sockets := credhelper.Sockets(os.Getenv, os.Geteuid())
	if os.Getenv("ECR_REFRESHD_SOCKET") != "" {
		return api.Dial(sockets), nil
	}
	c, err := f.load(ctx)
	switch {
	case err == nil:
		if c.Socket.Path != "" {
			sockets = []string{c.Socket.Path}
		}
	case f.config != "":
		return nil, err
	case errors.As(err, new(noFile)), errors.Is(err, fs.ErrPermission):
		// The daemon may have a file all the same, or one that is for it alone.
	case errors.Is(err, fs.ErrNotExist): // but named in the environment
		return nil, err
	default: // the daemon may run with what was in the file before
		f.unread = err
	}
	return api.Dial(sockets), nil
}

// answered turns a client's error into a command's.
func (f *flags) answered(err error) error {
	switch {
	case err == nil || errors.As(err, new(*outcome)):
		return err
	case errors.Is(err, api.ErrNoDaemon):
		if f.unread != nil {
			err = several{f.unread, err}
		}
		return &outcome{exitAbsent, err}
	case errors.Is(err, api.ErrNotOurs):
		return misused(err)
	}
	return failed(err)
}

// maxHost is more than the longest host name, in bytes, with a port.
const maxHost = 255 + len(":65535")

// hostName gives a host as the daemon knows it, out of what people paste: with
// a scheme, a path, in any case. Its error is one of usage.
func hostName(typed string) (string, error) {
	host := strings.ToLower(strings.TrimSpace(typed))
	for _, scheme := range []string{"https://", "http://"} {
		host = strings.TrimPrefix(host, scheme)
	}
	host, _, _ = strings.Cut(host, "/")
	foreign := func(c rune) bool {
		return !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.ContainsRune("-._:[]", c))
	}
	// Dots alone would be steps in the path of a request.
	if len(host) > maxHost || strings.Trim(host, ".") == "" || strings.ContainsFunc(host, foreign) {
		return "", misused(fmt.Errorf("%q is not the name of a host; write it as `ecr-refreshd status` shows it", typed))
	}
	return host, nil
}
