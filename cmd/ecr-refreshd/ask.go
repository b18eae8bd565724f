package main

import (
	"errors"
	"os"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/credhelper"
)

// client talks to the running daemon: at $ECR_REFRESHD_SOCKET, where the
// configuration puts its socket, or where it is by default.
func (f *flags) client() (*api.Client, error) {
	sockets := credhelper.Sockets(os.Getenv, os.Geteuid())
	if os.Getenv("ECR_REFRESHD_SOCKET") != "" {
		return api.Dial(sockets), nil
	}
	// A file that nobody named may be for others only, or not there: the daemon runs
	// all the same.
	c, err := f.load()
	switch {
	case err == nil && c.Socket.Path != "":
		sockets = []string{c.Socket.Path}
	case err != nil && f.config != "":
		return nil, err
	}
	return api.Dial(sockets), nil
}

// answered turns a client's error into a command's.
func answered(err error) error {
	switch {
	case err == nil || errors.As(err, new(*outcome)):
		return err
	case errors.Is(err, api.ErrNoDaemon):
		return &outcome{exitAbsent, err}
	case errors.Is(err, api.ErrNotOurs):
		return misused(err)
	}
	return failed(err)
}
