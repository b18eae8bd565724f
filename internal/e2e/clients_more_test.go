package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// moreClients are those that read docker's file with a library of their own.
func moreClients() []client {
	podman := func(dir string, args ...string) []string {
		return append([]string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs", "--events-backend", "none"}, args...)
	}
	return []client{
		{
			name: "helm", program: "helm", remedy: "make clients", version: []string{"version", "--short"},
			publish: func(ref, dir string) [][]string {
				return [][]string{{"package", dir, "--destination", dir}, {"push", dir + "/chart-0.1.0.tgz", "oci://" + repository(ref)}}
			},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"pull", "oci://" + repository(ref) + "/chart", "--version", "0.1.0", "--destination", dir}}
			},
			push: func(_, to, dir string) [][]string {
				return [][]string{{"push", dir + "/chart-0.1.0.tgz", "oci://" + repository(to)}}
			},
		},
		{
			name: "oras", program: "oras", remedy: "make clients", version: []string{"version"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"copy", ref, "--to-oci-layout", dir + "/layout:pulled"}}
			},
			push: func(_, to, dir string) [][]string {
				return [][]string{{"copy", "--from-oci-layout", dir + "/layout:pulled", to}}
			},
		},
		{
			name: "regctl", program: "regctl", remedy: "make clients", version: []string{"version", "--format", "{{.VCSTag}}"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"image", "copy", ref, "ocidir://" + dir + "/layout:pulled"}}
			},
			push: func(_, to, dir string) [][]string {
				return [][]string{{"image", "copy", "ocidir://" + dir + "/layout:pulled", to}}
			},
		},
		{
			name: "podman", program: "podman", remedy: "apt-get install podman", version: []string{"--version"}, rootOnly: true,
			pull: func(ref, dir string) [][]string {
				return [][]string{podman(dir, "pull", "--quiet", "--signature-policy", dir+"/policy.json", ref)}
			},
			push: func(ref, to, dir string) [][]string {
				return [][]string{podman(dir, "push", "--quiet", "--signature-policy", dir+"/policy.json", ref, "docker://"+to)}
			},
		},
		{
			name: "testcontainers-go", program: "testcontainers-go", remedy: "make clients", version: []string{"version"},
			pull: func(ref, _ string) [][]string { return [][]string{{"pull", ref}} },
		},
		{
			// It asks the helper for every host of the file, and one failure is its end.
			name: "docker-py build", program: "/usr/bin/python3", remedy: "apt-get install python3-docker", version: []string{"-c", "import docker; print(docker.__version__)"},
			env:  []string{"ECR_REFRESHD_ON_ERROR=not-found"},
			pull: func(ref, dir string) [][]string { return [][]string{{"-c", pythonBuild, ref, dir}} },
		},
	}
}

// heavyClients are those that take so much to install that make test does without them. They
// run in make more-clients.
func heavyClients() []client {
	if os.Getenv("ECR_REFRESHD_MORE_CLIENTS") == "" {
		return nil
	}
	goTool, _ := exec.LookPath("go")
	ko := "ko"
	if path, err := exec.LookPath(ko); err == nil {
		ko = path
	}
	return []client{
		{
			// The image that it pulls is the base of the one that it builds.
			name: "ko", program: "/bin/sh", remedy: "make more-clients", rootOnly: true,
			// It keeps the login that it began with while it compiles, which has to be quick then.
			version: []string{"-c", `cd $(mktemp -d) && echo module app >go.mod && echo 'package main; func main() {}' >main.go && "$1/go" build -trimpath && exec ` + ko + " version", "sh", filepath.Dir(goTool)},
			env:     []string{"CGO_ENABLED=0", "GOCACHE=" + filepath.Join(os.TempDir(), "go-cache"), "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=-buildvcs=false", "KO_DOCKER_REPO=built.example/app"},
			pull: func(ref, dir string) [][]string {
				return [][]string{{"-c", `cd "$1" && PATH=$PATH:$3 KO_DEFAULTBASEIMAGE=$2 exec ` + ko + ` build --push=false --bare --sbom=none --oci-layout-path layout .`,
					"sh", dir, ref, filepath.Dir(goTool)}}
			},
		},
		{
			name: "testcontainers for node", program: "testcontainers-node", remedy: "make more-clients", version: []string{"version"},
			// Without the last variable, it looks for a network that the engine does not have.
			env:  []string{"ECR_REFRESHD_ON_ERROR=not-found", "TESTCONTAINERS_HOST_OVERRIDE=localhost"},
			pull: func(ref, _ string) [][]string { return [][]string{{ref}} },
		},
	}
}

// repository is a reference without its tag.
func repository(ref string) string { return ref[:strings.LastIndex(ref, ":")] }

const pythonBuild = "import docker, sys\n" +
	"docker.from_env().images.build(path=sys.argv[2], pull=True, nocache=True, buildargs={'BASE': sys.argv[1]})\n"
