package e2e

import (
	"os/exec"
	"strings"
)

// client is a program that gets its logins from a credential helper which its
// config.json names.
type client struct {
	name     string
	program  string // how it is looked up
	remedy   string // what brings it
	version  []string
	env      []string
	rootOnly bool // only root can use it on the machine inside
	// publish are the commands by which root puts what pull fetches into the registry. Nil:
	// an image does.
	publish func(ref, dir string) [][]string
	// pull are the commands that fetch ref. dir is an empty directory at first, and the
	// same one for push.
	pull func(ref, dir string) [][]string
	// push are the commands that send what pull has fetched as ref under the name to.
	// Nil: the client has no push, or it is that of docker.
	push func(ref, to, dir string) [][]string
}

// clients are the programs that docs/clients.md lists.
func clients() []client {
	buildah := func(dir string, args ...string) []string {
		return append([]string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs"}, args...)
	}
	return append([]client{
		{
			name: "docker", program: "docker", remedy: "apt-get install docker.io or docker-cli", version: []string{"--version"},
			pull: func(ref, _ string) [][]string { return [][]string{{"pull", ref}} },
			push: func(ref, to, _ string) [][]string { return [][]string{{"tag", ref, to}, {"push", to}} },
		},
		{
			name: "BuildKit build", program: buildKitDocker(), remedy: "apt-get install docker-buildx", version: []string{"--version"},
			env: []string{"DOCKER_BUILDKIT=1"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"build", "--pull", "--no-cache", "--build-arg", "BASE=" + ref, "--tag", "built", "--file", dir + "/Dockerfile", dir}}
			},
		},
		{
			name: "classic build", program: "docker", remedy: "apt-get install docker.io or docker-cli", version: []string{"--version"},
			env: []string{"DOCKER_BUILDKIT=0"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"build", "--pull", "--no-cache", "--build-arg", "BASE=" + ref, "--tag", "built", "--file", dir + "/Dockerfile", dir}}
			},
		},
		{
			name: "docker compose", program: "compose", remedy: "make clients", version: []string{"version"},
			pull: func(_, dir string) [][]string { return [][]string{{"--file", dir + "/compose.yaml", "pull"}} },
		},
		{
			name: "docker-compose", program: "/usr/bin/docker-compose", remedy: "apt-get install docker-compose", version: []string{"version", "--short"},
			pull: func(_, dir string) [][]string { return [][]string{{"--file", dir + "/compose.yaml", "pull"}} },
		},
		{
			name: "docker-py", program: "/usr/bin/python3", remedy: "apt-get install python3-docker", version: []string{"-c", "import docker; print(docker.__version__)"},
			pull: func(ref, _ string) [][]string { return [][]string{{"-c", pythonPull, ref}} },
			push: func(ref, to, _ string) [][]string { return [][]string{{"-c", pythonPush, ref, to}} },
		},
		{
			name: "skopeo", program: "skopeo", remedy: "apt-get install skopeo", version: []string{"--version"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"--insecure-policy", "copy", "docker://" + ref, "dir:" + dir + "/image"}}
			},
			push: func(_, to, dir string) [][]string {
				return [][]string{{"--insecure-policy", "copy", "dir:" + dir + "/image", "docker://" + to}}
			},
		},
		{
			name: "buildah", program: "buildah", rootOnly: true, remedy: "apt-get install buildah", version: []string{"--version"},
			pull: func(ref, dir string) [][]string {
				return [][]string{buildah(dir, "pull", "--signature-policy", dir+"/policy.json", "docker://"+ref)}
			},
			push: func(ref, to, dir string) [][]string {
				return [][]string{buildah(dir, "push", "--signature-policy", dir+"/policy.json", ref, "docker://"+to)}
			},
		},
		{
			name: "crane", program: "crane", remedy: "make clients", version: []string{"version"},
			pull: func(ref, dir string) [][]string { return [][]string{{"pull", ref, dir + "/image.tar"}} },
			push: func(_, to, dir string) [][]string { return [][]string{{"push", dir + "/image.tar", to}} },
		},
	}, append(moreClients(), heavyClients()...)...)
}

const (
	pythonPull = "import docker, sys\n" +
		"docker.from_env().images.pull(sys.argv[1])\n"
	pythonPush = "import docker, sys\n" +
		"client = docker.from_env()\n" +
		"client.images.get(sys.argv[1]).tag(sys.argv[2])\n" +
		"for line in client.images.push(sys.argv[2], stream=True, decode=True):\n" +
		"    if 'error' in line: sys.exit(line['error'])\n"
)

// furniture are the files that clients find in their directory.
func furniture(ref string) map[string]string {
	return map[string]string{
		"Dockerfile":   "ARG BASE\nFROM $BASE\nCOPY Dockerfile /\n",
		"compose.yaml": "services: {app: {image: \"" + ref + "\"}}\n",
		"policy.json":  `{"default": [{"type": "insecureAcceptAnything"}]}`,
		"go.mod":       "module app\n",
		"main.go":      "package main\n\nfunc main() {}\n",
		"Chart.yaml":   "apiVersion: v2\nname: chart\nversion: 0.1.0\n",
	}
}

// buildKitDocker is the docker that can build with BuildKit: of old, each one, then
// the one that has its plugin buildx.
func buildKitDocker() string {
	for _, program := range []string{"docker", "/usr/bin/docker"} {
		cmd := exec.Command(program, "build", "--help")
		cmd.Env = []string{"DOCKER_BUILDKIT=1", "HOME=/nonexistent"}
		if cmd.Run() == nil {
			return program
		}
	}
	return "docker with buildx"
}

// firstLine is what a version says first.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
