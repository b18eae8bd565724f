package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/registry"
	"ecr-refreshd/internal/testbed"
)

const (
	homeRegion    = "us-east-1"
	distantRegion = "eu-west-1"
	repository    = "demo"
)

// stage is where the demo plays: the emulated AWS, and what pulls from it. The
// logins that push and pull use are those of the config.json in a directory.
type stage interface {
	aws() *emulator.Server
	// engine is the Docker Engine's address as in $DOCKER_HOST, empty where there is none.
	engine() string
	// puller names who pulls and whose messages are shown.
	puller() string
	// command is a program with an environment that leads nowhere outside the demo.
	command(ctx context.Context, program string, args ...string) *exec.Cmd
	// push puts a small image into the registry.
	push(ctx context.Context, reference, logins string) error
	// pull fetches the whole image, each time again; took is without the clearing
	// up. The error's text is the puller's own message.
	pull(ctx context.Context, reference, logins string) (took time.Duration, err error)
	// close stops everything and waits for it.
	close()
}

// accounts are the emulated caller's own account and another that its tokens open.
func accounts() []string {
	who := emulator.DefaultPrincipal()
	return append([]string{who.Account}, who.Opens...)
}

// hosts are the registries that are pulled from: two accounts in one region,
// another region, and ECR Public.
func hosts() []string {
	var all []string
	for _, account := range accounts() {
		all = append(all, registry.Registry{Account: account, Region: homeRegion}.Host())
	}
	return append(all, registry.Registry{Account: accounts()[0], Region: distantRegion}.Host(), publicHost())
}

func publicHost() string { return registry.Registry{Public: true}.Host() }

// reference names the image at a host.
func reference(host string) string { return host + "/" + repository + ":latest" }

// lacking says what this machine lacks for pulls through an engine, each with
// its remedy; program is how this one was called.
func lacking(program string) []string {
	const install = "sudo apt-get install docker.io"
	var lacks []string
	var lack *testbed.LackError
	if errors.As(testbed.FindEngine(), &lack) {
		lacks = append(lacks, lack.What+" (not found in the PATH; `"+install+"` brings them)")
	}
	if _, err := exec.LookPath("docker"); err != nil {
		lacks = append(lacks, "docker, the command (not found in the PATH; `"+install+"`, or docker-cli where that is a package of its own)")
	}
	if os.Geteuid() != 0 {
		lacks = append(lacks, "root, to give a private engine its namespaces (run `sudo "+program+"`)")
	}
	return lacks
}
