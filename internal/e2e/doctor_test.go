package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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
}

// check is what the doctor says of one stop.
type check struct {
	Stop, On, Text, Where, Cure string
	Mark                        string
}

// examine runs the doctor and returns its checks and exit code.
func (p *patient) examine(args ...string) (checks []check, code int) {
	p.t.Helper()
	args = append([]string{"doctor", "--config", p.config, "--output", "json"}, args...)
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

func (p *patient) configJSON(text string) {
	p.t.Helper()
	must(p.t, os.MkdirAll(filepath.Dir(configOf(p.root)), 0o700))
	must(p.t, os.WriteFile(configOf(p.root), []byte(text), 0o600))
}

// start starts the daemon; its home and engine are the patient's.
func (p *patient) start() {
	p.t.Helper()
	p.daemon = p.startDaemon(p.root, p.config, p.env...)
	p.daemon.await("token renewed")
	p.daemon.await("local API listens")
}

// TestDoctorNamesTheCauseAndItsCureCures breaks a host in one way, wants the doctor to name
// that first, follows what it proposes, and wants it to find nothing more.
func TestDoctorNamesTheCauseAndItsCureCures(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudDoctor, time.Hour)
	host := s.cloud.hosts()[0]
	stale := base64.StdEncoding.EncodeToString([]byte("AWS:" + strings.Repeat("old", 40)))
	const files, helper = "targets: [{type: docker-config}]\n", "targets: [{type: docker-config, delivery: helper}]\n"
	registries := "registries: [{host: " + host + "}]\n"
	tests := []struct {
		name    string
		targets string
		harm    func(p *patient)
		stop    string           // where the first fault is
		want    string           // a part of what it says
		where   string           // a part of where it is
		cure    string           // a part of the cure
		edit    func(p *patient) // what a person does where the cure is no command
	}{
		{name: "no daemon", targets: files, harm: func(p *patient) { p.daemon.stop() }, stop: "daemon", want: "no daemon answers", cure: "ecr-refreshd run",
			edit: func(p *patient) { p.start() }},
		{name: "a key of the configuration", targets: files, harm: func(p *patient) {
			p.rewrite(p.config, registries+"targts: []\n"+s.settings(s.aws.Endpoint()))
		}, stop: "configuration", want: "targts", where: ":2", cure: "correct the line", edit: func(p *patient) {
			p.rewrite(p.config, registries+files+s.settings(s.aws.Endpoint()))
			p.daemon.stop()
			p.start()
		}},
		{name: "denied", targets: files, harm: func(p *patient) {
			clear := s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Status: http.StatusBadRequest, Code: "AccessDeniedException",
				Message: "User is not authorized to perform: ecr:GetAuthorizationToken on resource: *"})
			p.t.Cleanup(clear)
			p.daemon.stop()
			p.daemon = s.in(p.t).startDaemon(p.root, p.config, p.env...)
			p.daemon.await("token not renewed")
		}, stop: "token", want: "not authorized", cure: "ecr:GetAuthorizationToken"},
		{name: "an old token by hand", targets: helper, harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, registries+"targets: [{type: engine}]\n"+s.settings(s.aws.Endpoint()))
			p.configJSON(fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, stale))
			p.start()
		}, stop: "client", want: "sends another token", where: "config.json", cure: "configure-docker", edit: func(p *patient) {
			p.configJSON("{}")
			p.follow("ecr-refreshd configure-docker")
		}},
		{name: "a key that docker cannot read", targets: files, harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, registries+"targets: [{type: engine}]\n"+s.settings(s.aws.Endpoint()))
			p.configJSON(fmt.Sprintf(`{"proxies": {"default": "http://p:3128"}, "auths": {%q: {"auth": %q}}}`, host, stale))
			p.start()
		}, stop: "client", want: "proxies.default", where: "config.json", cure: "proxies", edit: func(p *patient) {
			p.configJSON("{}")
			p.follow("ecr-refreshd configure-docker")
		}},
		{name: "no login at all", targets: files, harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, registries+"targets: [{type: engine}]\n"+s.settings(s.aws.Endpoint()))
			must(p.t, os.Remove(configOf(p.root)))
			p.start()
		}, stop: "client", want: "sends no login", cure: "configure-docker --user root", edit: func(p *patient) {
			p.follow("ecr-refreshd configure-docker")
		}},
		{name: "no engine", targets: files, harm: func(p *patient) {
			p.rewrite(p.config, registries+"targets: [{type: docker-config}, {type: engine, host: \"unix:///run/no-engine.sock\"}]\n"+s.settings(s.aws.Endpoint()))
			p.daemon.stop()
			p.start()
		},
			stop: "target", want: "no-engine.sock", cure: "systemctl status docker", edit: func(p *patient) {
				p.rewrite(p.config, registries+files+s.settings(s.aws.Endpoint()))
				p.daemon.stop()
				p.start()
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := s.in(t)
			p := &patient{scene: s, root: s.home(), host: host, env: s.clientEnv(s.engine)}
			p.root.Home = t.TempDir()
			p.config = s.write(registries + tt.targets + s.settings(s.aws.Endpoint()))
			p.start()
			s.awaitHealthy(p)
			tt.harm(p)
			checks, code := p.examine("--user", "root")
			f := firstFault(checks)
			if code != 1 || f == nil || f.Stop != tt.stop || !strings.Contains(f.Text, tt.want) || !strings.Contains(f.Where, tt.where) || !strings.Contains(f.Cure, tt.cure) {
				t.Fatalf("exit code %d, first fault %+v; want %q at %q with the cure %q\nall: %+v", code, f, tt.want, tt.stop, tt.cure, checks)
			}
			if tt.edit == nil {
				return
			}
			tt.edit(p)
			s.awaitHealthy(p)
			if code := p.daemon.stop(); code != 0 {
				t.Errorf("ecr-refreshd ended with %d", code)
			}
		})
	}
}

// awaitHealthy waits until the doctor finds nothing wrong.
func (s *scene) awaitHealthy(p *patient) {
	s.t.Helper()
	await(s.t, func() (bool, string) {
		checks, code := p.examine("--user", "root")
		return code == 0, fmt.Sprintf("the doctor finds %+v", firstFault(checks))
	})
}
