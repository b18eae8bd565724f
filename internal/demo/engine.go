package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

// registriesAt is where the registries of all names are in the test bed.
const registriesAt = "127.0.0.1"

// engineStage pulls with the docker command through a private engine.
type engineStage struct {
	bed    *testbed.Bed
	server *emulator.Server
	docker *testbed.Engine
}

// openEngine opens the stage; this process is in the test bed.
func openEngine(ctx context.Context, set settings) (stage, error) {
	names := make(map[string]string)
	for _, h := range hosts() {
		names[h] = registriesAt
	}
	bed, err := testbed.Open(testbed.Options{Hosts: names})
	if err != nil {
		return nil, err
	}
	server, err := bed.StartAWS(registriesAt, emulator.Options{TokenLife: set.life})
	if err != nil {
		return nil, err
	}
	docker, err := bed.StartEngine(ctx)
	if err != nil {
		server.Close()
		return nil, err
	}
	return &engineStage{bed, server, docker}, nil
}

func (s *engineStage) aws() *emulator.Server { return s.server }
func (s *engineStage) engine() string        { return s.docker.Host() }
func (s *engineStage) puller() string        { return "docker" }

func (s *engineStage) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return s.bed.Command(ctx, s.bed.Root(), nil, program, args...)
}

// push needs no login of ours: the test bed has its own.
func (s *engineStage) push(ctx context.Context, reference, _ string) error {
	return s.bed.PushImage(ctx, s.server, "default", reference)
}

func (s *engineStage) pull(ctx context.Context, reference, logins string) (time.Duration, error) {
	started := time.Now()
	err := s.run(ctx, logins, "pull", "--quiet", reference)
	took := time.Since(started)
	if err == nil {
		// Or the next pull would find everything there already.
		err = s.run(ctx, logins, "image", "rm", reference)
	}
	return took, err
}

// run runs the docker command with the logins of a directory.
func (s *engineStage) run(ctx context.Context, logins string, args ...string) error {
	env := []string{"DOCKER_HOST=" + s.docker.Host(), "DOCKER_CONFIG=" + logins}
	text, err := s.bed.Command(ctx, s.bed.Root(), env, "docker", args...).CombinedOutput()
	switch said := string(bytes.TrimSpace(text)); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("docker %s: %w", args[0], ctx.Err())
	case said == "":
		return fmt.Errorf("docker %s: %w", args[0], err)
	default:
		return errors.New(said)
	}
}

// close ends the engine at once: what it holds goes with the test bed.
func (s *engineStage) close() {
	s.docker.Kill()
	s.server.Close()
}
