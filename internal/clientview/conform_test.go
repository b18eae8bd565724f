package clientview

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sent is what a client has really sent, or has said instead.
type sent struct {
	Username, Password string
	Failed             bool // it gave up without asking the registry
}

func (s sent) String() string {
	if s.Failed {
		return "gives up"
	}
	if s == (sent{}) {
		return "sends no login"
	}
	return fmt.Sprintf("sends %q %q", s.Username, s.Password)
}

// expected is what the answer means for a client: one of several where chance decides.
// Docker is the version of docker; what other clients share with the newest is that a
// helper's failure is theirs.
func (r row) expected(a Answer, docker int) []sent {
	entry := sent{Username: a.Username, Password: a.Secret.Reveal()}
	switch {
	case a.Helper != "" && a.Program.State == Found && r.does(a.Helper) == answers:
		return []sent{{Username: "helper", Password: "from-" + a.Helper}}
	case a.Helper != "" && a.Program.State == Found && r.does(a.Helper) == notFound:
		return []sent{{}}
	case a.Helper != "" && docker < 29 && a.Behind != nil:
		return []sent{{Username: a.Behind.Username, Password: a.Behind.Secret.Reveal()}}
	case a.Helper != "" && docker < 29:
		return []sent{{}}
	case a.Helper != "":
		return []sent{{Failed: true}}
	case docker < a.Before:
		return []sent{{}}
	case a.Chance:
		return []sent{entry, {}, {Username: "AWS", Password: secrets["GOOD"]}, {Username: "AWS", Password: secrets["STALE"]}}
	}
	return []sent{entry}
}

// expectedOf is what the answer means for a client that is a library.
func (r row) expectedOf(client Client, a Answer) []sent {
	switch {
	case client == Docker:
		return r.expected(a, today)
	case a.Ahead.Name != "" && a.Ahead.State == Found && r.does(strings.TrimPrefix(a.Ahead.Name, helperPrefix)) == answers:
		return []sent{{Username: "helper", Password: "from-" + strings.TrimPrefix(a.Ahead.Name, helperPrefix)}}
	case a.Ahead.Name != "" && (a.Ahead.State != Found || r.does(strings.TrimPrefix(a.Ahead.Name, helperPrefix)) == fails):
		return []sent{{Failed: true}}
	case a.Before > 0:
		return r.expected(a, today)
	case a.Fault != nil && strings.Contains(a.Fault.Op, " no login") && a.Username == "":
		return []sent{{}} // the entry that decides is empty
	}
	return r.expectedOfContainers(a.Login, a.Program.State)
}

func (r row) does(helper string) string { return r.helpers[helper] }

// agree compares what the eye says with what the client did.
func (r row) agree(t *testing.T, client string, a Answer, want []sent, got sent) {
	t.Helper()
	if slices.Contains(want, got) {
		return
	}
	t.Errorf("%s and the eye disagree:\n%s %s\nthe eye says it %s, by %s; fault %v, notes %q", client, client, got, want[0], a.Place, a.Fault, a.Notes)
}

// environ is the environment of a real client.
func (r row) environ(s site, more ...string) []string {
	variables := r.variables(s)
	env := more
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		env = append(env, name+"="+variables[name])
	}
	return env
}

// run runs a real client, for a minute at most.
func run(t *testing.T, stdin, dir string, env []string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, said bytes.Buffer
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, &out, &said
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s: %v", name, ctx.Err())
	}
	return out.String(), said.String(), err
}

// need finds a program, or skips the test.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("ECR_REFRESHD_NO_SKIP") != "":
		t.Fatal(err)
	default:
		t.Skipf("%v: make readers brings it to bin/clients, or installs it", err)
	}
	return path
}

// version asks a program for its version, as major and minor.
func version(t *testing.T, program string) (major, minor int) {
	t.Helper()
	out, _, err := run(t, "", t.TempDir(), []string{"HOME=" + t.TempDir()}, program, "--version")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(out, "version ")
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		t.Fatalf("%s says %q", program, out)
	}
	major, err = strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		t.Fatalf("%s says %q", program, out)
	}
	return major, minor
}

// The docker command line on PATH pulls from an engine that notes the login it is sent.
func TestDockersCommandLineAgrees(t *testing.T) {
	docker := need(t, "docker")
	major, minor := version(t, docker)
	engine := newEngine(t)
	for i, r := range rows {
		if (major < 28 || major == 28 && minor < 3) && r.env[authVariable] != "" || major < 23 && strings.Contains(r.config, `"features"`) {
			continue // the program does not know the variable or the key
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{ecrHost, t.TempDir()}
			r.lay(t, s)
			a := r.eye(s).Look(Docker, s.host)
			repository := fmt.Sprintf("%s/row-%d", s.host, i)
			_, said, err := run(t, "", s.home, r.environ(s, "DOCKER_HOST="+engine.address), docker, "pull", "--quiet", repository+":latest")
			got, asked := engine.login(repository)
			if !asked {
				got = sent{Failed: true}
				if err == nil {
					t.Fatalf("docker pulled nothing: %s", said)
				}
			}
			r.agree(t, "docker", a, r.expected(a, major), got)
		})
	}
}

// roleVariable makes the test binary play the clients that are libraries.
const roleVariable = "CLIENTVIEW_TEST_PLAY"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		os.Exit(play())
	}
	os.Exit(m.Run())
}

// scene is what the libraries are run on: an environment.
type scene struct {
	Variables map[string]string
	Image     string
}

// play reads scenes and prints, for each, what every library sends for the image.
func play() int {
	var scenes []scene
	if err := json.NewDecoder(os.Stdin).Decode(&scenes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	answers := make([]map[Client]sent, len(scenes))
	for i, s := range scenes {
		os.Clearenv()
		for name, value := range s.Variables {
			if err := os.Setenv(name, value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		answers[i] = map[Client]sent{}
		for client, ask := range libraries {
			got, err := ask(s.Image)
			if err != nil {
				got = sent{Failed: true}
			}
			answers[i][client] = got
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		return 1
	}
	return 0
}

// played asks the libraries in a process of their own.
func played(t *testing.T, scenes []scene) (answers []map[Client]sent) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(scenes)
	if err != nil {
		t.Fatal(err)
	}
	out, said, err := run(t, string(input), t.TempDir(), []string{roleVariable + "=1"}, self)
	if err == nil {
		err = json.Unmarshal([]byte(out), &answers)
	}
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, said)
	}
	return answers
}

// today is the version of docker's library that this project is built with.
const today = 29

func TestTheLibrariesAgree(t *testing.T) {
	all := slices.Concat(rows, containersRows, helmRows)
	sites, scenes := make([]site, len(all)), make([]scene, len(all))
	for i, r := range all {
		sites[i] = site{ecrHost, t.TempDir()}
		r.lay(t, sites[i])
		scenes[i] = scene{r.variables(sites[i]), ecrHost + "/app"}
	}
	for i, answers := range played(t, scenes) {
		t.Run(all[i].name, func(t *testing.T) {
			for client, got := range answers {
				a := all[i].eye(sites[i]).Look(client, ecrHost)
				all[i].agree(t, string(client), a, all[i].expectedOf(client, a), got)
			}
		})
	}
}

// The docker of the snap has another home; that it cannot run a helper, no test here shows.
func TestDockerOfTheSnapAgrees(t *testing.T) {
	for _, r := range rows {
		if len(r.helpers) > 0 || len(r.env) > 0 || len(r.files) > 0 {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{ecrHost, t.TempDir()}
			inside := site{ecrHost, filepath.Join(s.home, "snap/docker/current")}
			r.lay(t, inside)
			a := r.eye(s).Look(DockerSnap, s.host)
			b := r.eye(inside).Look(Docker, s.host)
			if a.File == b.File && a.Key == b.Key && a.Secret.Equal(b.Secret) && (a.Fault == nil) == (b.Fault == nil) {
				return
			}
			t.Errorf("got %+v, docker in that home %+v", a, b)
		})
	}
}
