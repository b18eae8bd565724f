package e2e

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

// patient is a host for the doctor: an account with a docker, a configuration, and a daemon
// where the harm leaves one.
type patient struct {
	*scene
	root   testbed.Account
	host   string
	config string // the file
	daemon *daemon
	env    []string
	as     string // the account whose clients are looked at, where it is not root
	flags  []string
}

// check is what the doctor says of one stop.
type check struct {
	Stop, On, Text, Where, Cure string
	Mark                        string
}

// examine runs the doctor and returns its checks and exit code.
func (p *patient) examine() (checks []check, code int) {
	p.t.Helper()
	args := append([]string{"doctor", "--config", p.config, "--output", "json", "--user", cmp.Or(p.as, "root")}, p.flags...)
	out, code := p.run(p.root, p.env, "", p.binary, args...)
	var answer struct {
		Checks []struct {
			Check, On, Result, Text, Where, Cure string
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		p.t.Fatalf("doctor prints %q: %v", out, err)
	}
	for _, c := range answer.Checks {
		checks = append(checks, check{c.Check, c.On, c.Text, c.Where, c.Cure, c.Result})
	}
	return checks, code
}

// firstFault is the first of the checks that is one.
func firstFault(checks []check) *check {
	for i := range checks {
		if checks[i].Mark == "fault" {
			return &checks[i]
		}
	}
	return nil
}

// follow runs the command that a check proposes, as a person does: without sudo, as root.
func (p *patient) follow(cure string) {
	p.t.Helper()
	for command := range strings.SplitSeq(cure, "; then: ") {
		command = strings.ReplaceAll(command, "sudo ", "")
		command = strings.ReplaceAll(command, "ecr-refreshd ", p.binary+" ")
		if strings.HasPrefix(command, p.binary+" configure-docker") || strings.HasPrefix(command, p.binary+" refresh") {
			command += " --config " + p.config
		}
		if out, code := p.run(p.root, p.env, "", "/bin/sh", "-c", command); code != 0 {
			p.t.Fatalf("the cure %q ends with %d: %s", command, code, out)
		}
	}
}

// configJSON writes docker's file, with HOST and STALE for the host and an old token of it.
func (p *patient) configJSON(text string) {
	p.t.Helper()
	must(p.t, os.MkdirAll(filepath.Dir(configOf(p.root)), 0o700))
	p.put(configOf(p.root), text)
}

func (p *patient) put(path, text string) {
	p.t.Helper()
	must(p.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(p.t, os.WriteFile(path, []byte(strings.NewReplacer("HOST", p.host, "STALE", stale).Replace(text)), 0o600))
}

// stale is an old token, as it stands in files.
var stale = base64.StdEncoding.EncodeToString([]byte("AWS:" + strings.Repeat("old", 40)))

// reconfigure gives the daemon these targets, and other settings if there are some.
func (p *patient) reconfigure(text string) {
	p.t.Helper()
	if p.daemon != nil {
		p.daemon.stop()
	}
	p.rewrite(p.config, p.registry()+text)
	p.start()
}

func (p *patient) registry() string { return "registries: [{host: " + p.host + "}]\n" }

// start starts the daemon; its home and engine are the patient's.
func (p *patient) start() {
	p.t.Helper()
	p.daemon = p.startDaemon(p.root, p.config, p.env...)
	p.daemon.await("local API listens")
}

// Targets of the patients.
const (
	inFile   = "targets: [{type: docker-config}]\n"
	byHelper = "targets: [{type: docker-config, delivery: helper}]\n"
	noFile   = "targets: [{type: engine}]\n"
)

// illness is one way in which a host is broken.
type illness struct {
	name  string
	harm  func(p *patient)
	stop  string           // where the first fault is
	want  string           // a part of what it says
	where string           // a part of the place that it names
	cure  string           // a part of the cure
	edit  func(p *patient) // what a person does where the cure is no command; nil follows the cure
}

func (p *patient) reset() { p.reconfigure(inFile + p.settings(p.aws.Endpoint())) }

// illnesses of the configuration, the daemon, AWS, the registry and the engine.
func illnesses() []illness {
	denied := emulator.Fault{Operation: "GetAuthorizationToken", Status: http.StatusBadRequest, Code: "AccessDeniedException",
		Message: "User is not authorized to perform: ecr:GetAuthorizationToken on resource: *"}
	var clear func()
	settings := func(p *patient, profile, endpoint string) string {
		return fmt.Sprintf("aws: {profile: %s, endpoint_url: %q}\nsocket: {path: %s}\n", profile, endpoint, p.socket())
	}
	return []illness{
		{name: "no daemon", harm: func(p *patient) { p.daemon.stop() }, stop: "daemon", want: "no daemon answers", cure: "ecr-refreshd run",
			edit: (*patient).start},
		{name: "no configuration", harm: func(p *patient) { must(p.t, os.Remove(p.config)) }, stop: "configuration", want: "no such file", cure: "ecr-refreshd init",
			edit: (*patient).reset},
		{name: "a wrong key", harm: func(p *patient) {
			p.rewrite(p.config, p.registry()+"targts: []\n"+p.settings(p.aws.Endpoint()))
		}, stop: "configuration", want: "targts", where: ":2", cure: "correct the line", edit: (*patient).reset},
		{name: "no YAML", harm: func(p *patient) { p.rewrite(p.config, "registries: [\n") }, stop: "configuration", want: "YAML", where: "config.yaml:", cure: "correct the line",
			edit: (*patient).reset},
		{name: "a file that others may write", harm: func(p *patient) { must(p.t, os.Chmod(p.config, 0o666)) }, stop: "configuration", want: "0666", cure: "chmod",
			edit: func(p *patient) { must(p.t, os.Chmod(p.config, 0o600)) }},
		{name: "changed since the daemon read it", harm: func(p *patient) {
			p.rewrite(p.config, p.registry()+inFile+"log: {level: debug}\n"+p.settings(p.aws.Endpoint()))
			later := time.Now().Add(time.Second)
			must(p.t, os.Chtimes(p.config, later, later))
		}, stop: "daemon", want: "after the daemon read it", cure: "systemctl reload", edit: func(p *patient) {
			before := time.Now().Add(-time.Minute)
			must(p.t, os.Chtimes(p.config, before, before))
			p.daemon.signal(syscall.SIGHUP)
		}},
		{name: "denied", harm: func(p *patient) {
			clear = p.aws.Inject(denied)
			p.reset()
			p.daemon.await("token not renewed")
		}, stop: "token", want: "not authorized", cure: "ecr:GetAuthorizationToken", edit: func(p *patient) {
			clear()
			p.reset()
		}},
		{name: "no such profile", harm: func(p *patient) {
			p.reconfigure(inFile + settings(p, "nobody", p.aws.Endpoint()))
			p.daemon.await("token not renewed")
		}, stop: "token", want: `profile`, cure: "nobody", edit: (*patient).reset},
		{name: "AWS away", harm: func(p *patient) {
			p.reconfigure(inFile + settings(p, p.cloud.profile(), "http://127.0.0.1:9"))
			p.daemon.await("token not renewed")
		}, stop: "token", want: "refused", cure: "endpoint_url", edit: (*patient).reset},
		{name: "AWS away and no daemon", harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, p.registry()+inFile+settings(p, p.cloud.profile(), "http://192.0.2.250:9"))
		}, stop: "daemon", want: "no daemon", cure: "ecr-refreshd run", edit: (*patient).reset},
		{name: "a registry that has no name in DNS", harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, "registries: [{account: \""+p.cloud.accounts()[0]+"\", region: us-east-1, hosts: [images.nowhere.example]}]\n"+inFile+p.settings(p.aws.Endpoint()))
			p.start()
			p.daemon.await("token renewed")
		}, stop: "registry", want: "cannot be resolved", cure: "getent hosts images.nowhere.example", edit: (*patient).reset},
		{name: "no engine", harm: func(p *patient) {
			p.reconfigure("targets: [{type: docker-config}, {type: engine, host: \"unix:///run/no-engine.sock\"}]\n" + p.settings(p.aws.Endpoint()))
		}, stop: "target", want: "no-engine.sock", cure: "systemctl status docker", edit: (*patient).reset},
		{name: "a socket proxy before the engine", harm: func(p *patient) {
			socket := filepath.Join(p.root.Home, "proxy.sock")
			l, err := net.Listen("unix", socket)
			must(p.t, err)
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(http.StatusForbidden)
			})}
			go func() { _ = server.Serve(l) }()
			p.t.Cleanup(func() { _ = server.Close() })
			p.reconfigure("targets: [{type: docker-config}, {type: engine, host: \"unix://" + socket + "\"}]\n" + p.settings(p.aws.Endpoint()))
		}, stop: "target", want: "not by a docker engine", cure: "AUTH=1", edit: (*patient).reset},
		{name: "a read-only home", harm: func(p *patient) {
			p.daemon.stop()
			must(p.t, os.RemoveAll(filepath.Dir(configOf(p.root))))
			must(p.t, os.WriteFile(filepath.Dir(configOf(p.root)), nil, 0o600))
			p.start()
			p.daemon.await("login not stored")
		}, stop: "target", want: "not a directory", edit: func(p *patient) {
			must(p.t, os.Remove(filepath.Dir(configOf(p.root))))
			p.reset()
		}},
		{name: "a host that is not configured", harm: func(p *patient) { p.flags = []string{p.cloud.hosts()[1]} }, stop: "token", want: "not a host of the configuration",
			cure: "add it to registries", edit: func(p *patient) { p.flags = nil }},
	}
}

// TestDoctorNamesTheCauseAndItsCureCures breaks a host in one way, wants the doctor to name
// that first, follows what it proposes, and wants it to find nothing more.
func TestDoctorNamesTheCauseAndItsCureCures(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudDoctor, time.Hour)
	for _, tt := range append(illnesses(), illnessesOfClients()...) {
		t.Run(tt.name, func(t *testing.T) {
			p := s.patient(t)
			p.reset()
			p.awaitHealthy()
			tt.harm(p)
			checks, code := p.examine()
			f := firstFault(checks)
			if code != 1 || f == nil || f.Stop != tt.stop || !strings.Contains(f.Text, tt.want) || !strings.Contains(f.Where, tt.where) || !strings.Contains(f.Cure, tt.cure) {
				t.Fatalf("exit code %d, first fault %+v; want %q at %q with the cure %q\nall: %+v", code, f, tt.want, tt.stop, tt.cure, checks)
			}
			if tt.edit == nil {
				p.follow(f.Cure)
			} else {
				tt.edit(p)
			}
			p.awaitHealthy()
		})
	}
}

func (s *scene) patient(t *testing.T) *patient {
	s = s.in(t)
	p := &patient{scene: s, root: s.home(), host: s.cloud.hosts()[0], env: s.clientEnv(s.engine), config: s.write("")}
	t.Cleanup(func() {
		if p.daemon != nil {
			p.daemon.kill()
		}
	})
	return p
}

// awaitHealthy waits until the doctor finds nothing wrong.
func (p *patient) awaitHealthy() {
	p.t.Helper()
	await(p.t, func() (bool, string) {
		checks, code := p.examine()
		return code == 0, fmt.Sprintf("the doctor finds %+v", firstFault(checks))
	})
}
