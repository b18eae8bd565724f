package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"ecr-refreshd/internal/testbed"
)

const (
	// stranger is a user that no host knows.
	stranger = "47990:47990"
	// inside is where docker and the helper are in a container.
	inside = "/usr/local/bin"
)

// TestClientsInContainers runs docker in containers as the guides set them up: with the
// helper, the socket's directory and config.json mounted, or with a directory that the
// daemon keeps a config.json in. The containers stay while tokens come and go.
func TestClientsInContainers(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudGuides, 15*time.Second)
	host, root := s.cloud.hosts()[0], s.home()
	runtime, kept, named := s.openDir("run"), s.openDir("kept"), s.openDir("named")
	socket := filepath.Join(runtime, "ecr-refreshd.sock")
	d := s.startDaemon(root, s.write(fmt.Sprintf("registries: [{host: %s}]\n"+
		"targets: [{type: docker-config, path: %s/config.json}]\n"+
		"socket: {path: %s, group: docker}\n", host, kept, socket)+s.access(s.aws.Endpoint())))
	config, err := json.Marshal(map[string]any{"credHelpers": map[string]string{host: helperName}})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(named, "config.json"), config, 0o644))
	s.awaitAccepted(filepath.Join(kept, "config.json"), host)

	image := s.clientImage(root)
	// The sources of the guides' mounts, and what they are here.
	here := map[string]string{
		"/var/run/docker.sock": s.engine.Socket, "/run/ecr-refreshd": runtime, "/etc/ecr-refreshd/docker": named,
		"/var/lib/ecr-refreshd/watchtower":        kept,
		"/usr/bin/docker-credential-ecr-refreshd": s.helperPath(),
	}
	group := fmt.Sprint(s.bed.Account("guest").Groups[0]) // docker
	run := func(guide, service, does string, options ...string) (out string, code int) {
		t.Helper()
		args := slices.Concat([]string{"run", "--network", "none", "--env", "PATH=" + inside}, options, s.mounts(guide, service, here), []string{image}, strings.Fields(does))
		return s.run(root, s.engineEnv(s.engine), "", s.docker, args...)
	}
	containers := []struct {
		name, guide, service string
		options              []string
		id                   string
	}{
		{name: "of a stranger in the group", guide: "jenkins-container", service: "agent", options: []string{"--user", stranger, "--group-add", group, "--env", "HOME=/home/jenkins"}},
		{name: "of root", guide: "docker-in-docker", service: "client", options: []string{"--env", "DOCKER_CONFIG=/etc/ecr-refreshd/docker", "--volume", s.engine.Socket + ":/var/run/docker.sock"}},
		{name: "with a config.json that is kept", guide: "watchtower", service: "watchtower", options: []string{"--env", "DOCKER_CONFIG=/docker-config"}},
	}
	for i := range containers {
		c := &containers[i]
		// The command only keeps the container there.
		out, code := run(c.guide, c.service, "docker events", append(c.options, "--detach")...)
		if code != 0 {
			t.Fatalf("%s: %s", c.name, out)
		}
		c.id = firstLine(out)
		defer s.run(root, s.engineEnv(s.engine), "", s.docker, "rm", "--force", c.id)
	}
	if out, code := run("jenkins-container", "agent", filepath.Base(s.helperPath())+" list", "--user", stranger); code == 0 || !strings.Contains(out, "does not let user id 47990 in") {
		t.Errorf("a stranger without the group: exit code %d: %s", code, out)
	}

	const tokens = 2
	for n := range tokens {
		for i, c := range containers {
			ref, mark := s.push(host, fmt.Sprintf("guide-%d-%d", i, n)), len(s.aws.Calls())
			if out, code := s.run(root, s.engineEnv(s.engine), "", s.docker, "exec", c.id, "docker", "pull", ref); code != 0 {
				t.Errorf("%s, token %d: %s", c.name, n+1, out)
				continue
			}
			s.wantLoggedIn(mark, host)
		}
		if n+1 < tokens {
			s.awaitEnd(filepath.Join(kept, "config.json"), host)
		}
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

// openDir makes a directory that everybody may look into, also from a container.
func (s *scene) openDir(name string) string {
	s.t.Helper()
	dir := filepath.Join(s.bed.Dir, s.cloud.profile()+"-"+name)
	must(s.t, os.Mkdir(dir, 0o755))
	return dir
}

// mounts are the bind mounts of a guide's service, as arguments of docker run, with
// what stands for their sources here.
func (s *scene) mounts(guide, service string, here map[string]string) (args []string) {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(examples, guide, "compose.yaml"))
	must(s.t, err)
	var file struct {
		Services map[string]struct{ Volumes []yaml.Node }
	}
	must(s.t, yaml.Unmarshal(content, &file))
	for _, node := range file.Services[service].Volumes {
		var short string
		var long struct {
			Type, Source, Target string
			ReadOnly             bool `yaml:"read_only"`
		}
		if node.Decode(&short) == nil {
			long.Source, long.Target, _ = strings.Cut(short, ":")
			long.Type = "bind"
		} else {
			must(s.t, node.Decode(&long))
		}
		source, isHere := here[long.Source]
		if !isHere || long.Type != "bind" {
			continue // a volume of the guide's other service
		}
		arg := fmt.Sprintf("type=bind,source=%s,target=%s", source, long.Target)
		if long.ReadOnly {
			arg += ",readonly"
		}
		args = append(args, "--mount", arg)
	}
	if len(args) == 0 {
		s.t.Fatalf("%s has no mounts of %s", guide, service)
	}
	return args
}

// clientImage makes an image with nothing in it but docker and the libraries that it
// needs, and gives its name.
func (s *scene) clientImage(as testbed.Account) string {
	s.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	files := map[string]string{"usr/local/bin/docker": s.docker}
	for _, library := range libraries(s.docker) {
		files[strings.TrimPrefix(library, "/")] = library
	}
	for name, source := range files {
		var dir string
		for part := range strings.SplitSeq(filepath.Dir(name), "/") {
			dir += part + "/"
			must(s.t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}))
		}
		content, err := os.ReadFile(source)
		must(s.t, err)
		must(s.t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
		_, err = w.Write(content)
		must(s.t, err)
	}
	must(s.t, w.Close())
	const name = "docker-alone:guides"
	if out, code := s.run(as, s.engineEnv(s.engine), archive.String(), s.docker, "import", "-", name); code != 0 {
		s.t.Fatal(out)
	}
	return name
}

// libraries are the paths of those that a program needs; none for a static one.
func libraries(program string) []string {
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil // that is how ldd says that it is static
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(word string) bool { return !strings.HasPrefix(word, "/") })
}

// awaitEnd waits until the token is over that the file has now.
func (s *scene) awaitEnd(path, host string) {
	s.t.Helper()
	logins, err := readLogins(path)
	must(s.t, err)
	old := logins[host]
	await(s.t, func() (bool, string) {
		return s.aws.Check(host, old.username, old.password) != nil, "the end of a token for " + host
	})
}

// TestDockerWithTheRunnersVariable: a job of the GitLab runner has the runner's
// DOCKER_AUTH_CONFIG, in which docker allows no credHelpers; it takes its config.json.
func TestDockerWithTheRunnersVariable(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudRunner, time.Minute)
	host, root := s.cloud.hosts()[0], s.home()
	d := s.startDaemon(root, s.write(s.config(helperTarget)))
	s.awaitHelper(root, host)
	variable := fmt.Sprintf(`DOCKER_AUTH_CONFIG={"credHelpers":{%q:%q}}`, host, helperName)
	if out, code := s.run(root, append(s.clientEnv(s.engine), variable), "", s.docker, "pull", s.push(host, "job")); code != 0 {
		t.Errorf("pull: %s", out)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}
