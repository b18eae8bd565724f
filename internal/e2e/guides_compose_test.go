package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ecr-refreshd/internal/testbed"
)

// examples has the files that the guides show.
var examples = filepath.Join("..", "..", "deploy", "examples")

// TestComposeReadsTheGuidesFiles has docker compose itself read the compose and stack
// files. It needs no engine for that.
func TestComposeReadsTheGuidesFiles(t *testing.T) {
	compose, err := exec.LookPath("compose")
	if err != nil {
		lacks(t, &testbed.LackError{What: "compose", Remedy: "make clients"})
	}
	for _, file := range []string{"jenkins-container/compose.yaml", "docker-in-docker/compose.yaml", "watchtower/compose.yaml", "swarm/stack.yaml"} {
		t.Run(file, func(t *testing.T) {
			cmd := exec.Command(compose, "--file", filepath.Join(examples, file), "config", "--quiet")
			cmd.Env = append(os.Environ(), "DOCKER_GID=998", "IMAGE=ecr-refreshd:1",
				"JENKINS_URL=https://jenkins.example.com/", "JENKINS_AGENT_NAME=agent", "JENKINS_SECRET=not-one")
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestPythonReadsTheGuidesTOML: the module has no library for it, Debian's Python has.
func TestPythonReadsTheGuidesTOML(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import tomllib").Run(); err != nil {
		lacks(t, &testbed.LackError{What: python + " 3.11 or newer", Remedy: "apt-get install python3"})
	}
	read := exec.Command(python, "-c", "import sys, tomllib; tomllib.load(open(sys.argv[1], 'rb'))", filepath.Join(examples, "gitlab-runner", "config.toml"))
	if out, err := read.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
