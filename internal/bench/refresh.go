package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// contender is one way to do a piece of work.
type contender struct {
	name    string
	env     []string
	command []string
	stdin   string
	before  func() error       // each run; nil: nothing to do
	check   func([]byte) error // what it wrote to its standard output; nil: it does not matter
}

// run runs it once.
func (c contender) run(ctx context.Context, launcher string) (usage, error) {
	if c.before != nil {
		if err := c.before(); err != nil {
			return usage{}, err
		}
	}
	u, out, err := measure(ctx, launcher, c.env, c.stdin, c.command...)
	if err == nil && c.check != nil {
		err = c.check(out)
	}
	return u, err
}

// alternate runs the contenders in turn, once for nothing and then rounds times,
// and gives the usages of each.
func alternate(ctx context.Context, launcher string, rounds int, contenders []contender) ([][]usage, error) {
	taken := make([][]usage, len(contenders))
	for round := range rounds + 1 {
		for i, c := range contenders {
			u, err := c.run(ctx, launcher)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				taken[i] = append(taken[i], u)
			}
		}
	}
	return taken, nil
}

// The parts of what a user would otherwise run.
const (
	namePipeline = "aws ecr get-login-password | docker login"
	nameAWS      = "aws ecr get-login-password"
	nameDocker   = "docker login"
	nameOnce     = "ecr-refreshd once"
	nameOnceFile = "ecr-refreshd once, docker-config only"
)

// refreshers are the ways to refresh one host. What the machine lacks a program
// for is left out; without an engine, only the aws part of the pipeline is there.
func (s *site) refreshers(ctx context.Context) ([]contender, error) {
	one, err := fleetOf(1)
	if err != nil {
		return nil, err
	}
	host := one.names()[0]
	clientDir, err := os.MkdirTemp(s.dir, "docker-")
	if err != nil {
		return nil, err
	}
	env := append(s.env[:len(s.env):len(s.env)], "DOCKER_CONFIG="+clientDir)
	ask := fmt.Sprintf("%s ecr get-login-password --region %s --endpoint-url %s", quoted(s.find("aws")), region(0), s.aws.Endpoint())
	login := fmt.Sprintf("%s login --username AWS --password-stdin %s >%s", quoted(s.find("docker")), host, os.DevNull)
	var all []contender
	switch hasAWS, hasDocker := s.find("aws") != "", s.engine != "" && s.find("docker") != ""; {
	case hasAWS && hasDocker:
		password := filepath.Join(clientDir, "password")
		if _, _, err := measure(ctx, s.launcher, env, "", "sh", "-c", ask+" >"+quoted(password)); err != nil {
			return nil, err
		}
		all = append(all,
			contender{name: namePipeline, env: env, command: []string{"sh", "-c", ask + " | " + login}},
			contender{name: nameAWS, env: env, command: []string{"sh", "-c", ask + " >" + os.DevNull}},
			contender{name: nameDocker, env: env, command: []string{"sh", "-c", login + " <" + quoted(password)}})
	case hasAWS:
		all = append(all, contender{name: nameAWS, env: env, command: []string{"sh", "-c", ask + " >" + os.DevNull}})
	}
	for _, ours := range []struct{ name, engine string }{{nameOnce, s.engine}, {nameOnceFile, ""}} {
		if ours.name == nameOnce && s.engine == "" {
			continue
		}
		config, _, err := s.write(1, s.aws.Endpoint(), ours.engine)
		if err != nil {
			return nil, err
		}
		all = append(all, contender{name: ours.name, env: s.env, command: []string{s.daemon, "once", "--config", config}})
	}
	return all, nil
}

// quoted is one word to a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
