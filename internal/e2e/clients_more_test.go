package e2e

import "strings"

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
			// It asks the helper for every host of the file, and one failure is its end.
			name: "docker-py build", program: "/usr/bin/python3", remedy: "apt-get install python3-docker", version: []string{"-c", "import docker; print(docker.__version__)"},
			env:  []string{"ECR_REFRESHD_ON_ERROR=not-found"},
			pull: func(ref, dir string) [][]string { return [][]string{{"-c", pythonBuild, ref, dir}} },
		},
	}
}

// repository is a reference without its tag.
func repository(ref string) string { return ref[:strings.LastIndex(ref, ":")] }

const pythonBuild = "import docker, sys\n" +
	"docker.from_env().images.build(path=sys.argv[2], pull=True, nocache=True, buildargs={'BASE': sys.argv[1]})\n"
