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
	"slices"
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
	root    testbed.Account
	host    string
	config  string // the file
	daemon  *daemon
	env     []string
	as      string // the account whose clients are looked at, where it is not root
	flags   []string
	tools   string            // the directory in front on PATH, with sudo and systemctl
	systemd map[string]func() // what the service manager does, by what systemctl is given
}

// check is what the doctor says of one stop.
type check struct {
	Stop, On, Text, Where, Cure, Command string
	Mark                                 string
}

// examine runs the doctor and returns its checks and exit code.
func (p *patient) examine() (checks []check, code int) {
	p.t.Helper()
	args := append([]string{"doctor", "--config", p.config, "--output", "json", "--user", cmp.Or(p.as, "root")}, p.flags...)
	out, code := p.run(p.root, p.env, "", p.binary, args...)
	var answer struct {
		Checks []struct {
			Check, On, Result, Text, Where, Cure, Command string
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		p.t.Fatalf("doctor prints %q: %v", out, err)
	}
	for _, c := range answer.Checks {
		checks = append(checks, check{c.Check, c.On, c.Text, c.Where, c.Cure, c.Command, c.Result})
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

// paste runs the command that a check proposes as it stands there, in the shell in which the
// doctor runs next: what it does to variables stays.
func (p *patient) paste(command string) {
	p.t.Helper()
	variables, asked := filepath.Join(p.tools, "environment"), filepath.Join(p.tools, "asked")
	_ = os.Remove(asked)
	env := append(slices.Clone(p.env), "ECR_REFRESHD_CONFIG="+p.config)
	if out, code := p.run(p.root, env, "", "/bin/sh", "-c", command+"\ncode=$?; env -0 >"+variables+"; exit $code"); code != 0 {
		p.t.Fatalf("the command %q ends with %d: %s", command, code, out)
	}
	text, err := os.ReadFile(variables)
	must(p.t, err)
	p.env = strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	units, _ := os.ReadFile(asked)
	for line := range strings.Lines(string(units)) {
		do := p.systemd[strings.TrimSpace(line)]
		if do == nil {
			p.t.Fatalf("the command %q asks systemctl for %q", command, line)
		}
		do()
	}
}

// equip puts sudo and systemctl on the patient's PATH: the test has neither a terminal for the
// one nor a service manager for the other. What systemctl is told is done by paste.
func (p *patient) equip() {
	p.tools = p.t.TempDir()
	p.program("sudo", `[ "$1" = -u ] || exec "$@"
user=$2; shift 2
exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"`)
	p.program("systemctl", `for unit; do :; done
[ "$1" != show ] || exec cat "`+p.tools+`/$unit"
echo "$*" >>"`+p.tools+`/asked"`)
	p.env = p.patientEnv("")
	restart := func() {
		p.unit("ecr-refreshd.service", "active", "enabled")
		p.daemon.stop()
		p.start()
	}
	p.systemd = map[string]func(){
		"restart ecr-refreshd":      restart,
		"enable --now ecr-refreshd": restart,
		"reload ecr-refreshd":       func() { p.daemon.signal(syscall.SIGHUP) },
	}
}

// patientEnv is the environment of the patient with this PATH behind its tools, or the usual one.
func (p *patient) patientEnv(path string) []string {
	env := p.clientEnv(p.engine)
	for i, entry := range env {
		if usual, ok := strings.CutPrefix(entry, "PATH="); ok {
			env[i] = "PATH=" + p.tools + ":" + cmp.Or(path, usual)
		}
	}
	return env
}

// program writes a shell script into the tools.
func (p *patient) program(name, script string) {
	p.t.Helper()
	must(p.t, os.WriteFile(filepath.Join(p.tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

// unit makes systemctl show a unit.
func (p *patient) unit(name, active, enabled string) {
	p.t.Helper()
	must(p.t, os.WriteFile(filepath.Join(p.tools, name), []byte("LoadState=loaded\nActiveState="+active+"\nUnitFileState="+enabled+"\nResult=success\n"), 0o644))
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
	cure  string           // a part of the cure, or of the command
	edit  func(p *patient) // what a person does where only one can decide; nil runs the command
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
		{name: "a daemon that has stopped", harm: func(p *patient) {
			p.daemon.stop()
			p.unit("ecr-refreshd.service", "inactive", "enabled")
		}, stop: "daemon", want: "is inactive", cure: "systemctl restart"},
		{name: "a daemon that is not started at boot", harm: func(p *patient) {
			p.daemon.stop()
			p.unit("ecr-refreshd.service", "inactive", "disabled")
		}, stop: "daemon", want: "not started at boot", cure: "systemctl enable"},
		// Without the unit, who runs it, and how, is not known.
		{name: "no daemon", harm: func(p *patient) { p.daemon.stop() }, stop: "daemon", want: "no daemon answers", cure: "ecr-refreshd run",
			edit: (*patient).start},
		// Which registries it is for.
		{name: "no configuration", harm: func(p *patient) { must(p.t, os.Remove(p.config)) }, stop: "configuration", want: "no such file", cure: "ecr-refreshd init",
			edit: (*patient).reset},
		// What was meant.
		{name: "a wrong key", harm: func(p *patient) {
			p.rewrite(p.config, p.registry()+"targts: []\n"+p.settings(p.aws.Endpoint()))
		}, stop: "configuration", want: "targts", where: ":2", cure: "correct the line", edit: (*patient).reset},
		// What was meant.
		{name: "no YAML", harm: func(p *patient) { p.rewrite(p.config, "registries: [\n") }, stop: "configuration", want: "YAML", where: "config.yaml:", cure: "correct the line",
			edit: (*patient).reset},
		{name: "a file that others may write", harm: func(p *patient) { must(p.t, os.Chmod(p.config, 0o666)) }, stop: "configuration", want: "0666", cure: "chmod go-w"},
		{name: "a directory that others may write", harm: func(p *patient) { must(p.t, os.Chmod(filepath.Dir(p.config), 0o777)) }, stop: "configuration", want: "0777", cure: "chmod go-w"},
		{name: "a file of another account's", harm: func(p *patient) { must(p.t, os.Chown(p.config, p.bed.Account("guest").UID, 0)) }, stop: "configuration", want: "belongs to uid", cure: "chown -h 0"},
		{name: "changed since the daemon read it", harm: func(p *patient) {
			p.unit("ecr-refreshd.service", "active", "enabled")
			p.rewrite(p.config, p.registry()+inFile+"log: {level: debug}\n"+p.settings(p.aws.Endpoint()))
		}, stop: "daemon", want: "after the daemon read it", cure: "systemctl reload"},
		// Who may have the right, and from which account.
		{name: "denied", harm: func(p *patient) {
			clear = p.aws.Inject(denied)
			p.reset()
			p.daemon.await("token not renewed")
		}, stop: "token", want: "not authorized", cure: "ecr:GetAuthorizationToken", edit: func(p *patient) {
			clear()
			p.reset()
		}},
		// Which profile was meant.
		{name: "no such profile", harm: func(p *patient) {
			p.reconfigure(inFile + settings(p, "nobody", p.aws.Endpoint()))
			p.daemon.await("token not renewed")
		}, stop: "token", want: `profile`, cure: "nobody", edit: (*patient).reset},
		// Where AWS is to be asked, or what is in the way.
		{name: "AWS away", harm: func(p *patient) {
			p.reconfigure(inFile + settings(p, p.cloud.profile(), "http://127.0.0.1:9"))
			p.daemon.await("token not renewed")
		}, stop: "token", want: "refused", cure: "endpoint_url", edit: (*patient).reset},
		// As above, and who runs the daemon.
		{name: "AWS away and no daemon", harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, p.registry()+inFile+settings(p, p.cloud.profile(), "http://192.0.2.250:9"))
		}, stop: "daemon", want: "no daemon", cure: "ecr-refreshd run", edit: (*patient).reset},
		// Whether the name or the name server is wrong.
		{name: "a registry that has no name in DNS", harm: func(p *patient) {
			p.daemon.stop()
			p.rewrite(p.config, "registries: [{account: \""+p.cloud.accounts()[0]+"\", region: us-east-1, hosts: [images.nowhere.example]}]\n"+inFile+p.settings(p.aws.Endpoint()))
			p.start()
			p.daemon.await("token renewed")
		}, stop: "registry", want: "cannot be resolved", cure: "getent hosts images.nowhere.example", edit: (*patient).reset},
		{name: "an engine that has stopped", harm: func(p *patient) {
			socket := filepath.Join(p.tools, "docker.sock")
			p.unit("docker.service", "inactive", "enabled")
			p.systemd["start docker"] = func() { must(p.t, os.Symlink(strings.TrimPrefix(p.engine.Host(), "unix://"), socket)) }
			p.reconfigure("targets: [{type: docker-config}, {type: engine, host: \"unix://" + socket + "\"}]\n" + p.settings(p.aws.Endpoint()))
		}, stop: "target", want: "docker.sock", cure: "systemctl start docker"},
		// Where the engine is, if it is not docker's unit.
		{name: "no engine", harm: func(p *patient) {
			p.reconfigure("targets: [{type: docker-config}, {type: engine, host: \"unix:///run/no-engine.sock\"}]\n" + p.settings(p.aws.Endpoint()))
		}, stop: "target", want: "no-engine.sock", cure: "systemctl status docker", edit: (*patient).reset},
		// What the proxy may let through is its owner's decision.
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
		// What the file is that is where a directory has to be.
		{name: "a home without room for the directory", harm: func(p *patient) {
			p.daemon.stop()
			must(p.t, os.RemoveAll(filepath.Dir(configOf(p.root))))
			must(p.t, os.WriteFile(filepath.Dir(configOf(p.root)), nil, 0o600))
			p.start()
			p.daemon.await("login not stored")
		}, stop: "target", want: "not a directory", edit: func(p *patient) {
			must(p.t, os.Remove(filepath.Dir(configOf(p.root))))
			p.reset()
		}},
		// Which identity opens it.
		{name: "a host that is not configured", harm: func(p *patient) { p.flags = []string{p.cloud.hosts()[1]} }, stop: "token", want: "not a host of the configuration",
			cure: "add it to registries in", edit: func(p *patient) { p.flags = nil }},
	}
}

// TestDoctorNamesTheCauseAndItsCureCures breaks a host in one way, wants the doctor to name
// that first, runs the command that it prints, and wants it to find nothing more. Where only a person can
// decide, it prints none, and the test does what the person would.
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
			if code != 1 || f == nil || f.Stop != tt.stop || !strings.Contains(f.Text, tt.want) || !strings.Contains(f.Where, tt.where) || !strings.Contains(f.Cure+f.Command, tt.cure) || (f.Command == "") != (tt.edit != nil) {
				t.Fatalf("exit code %d, first fault %+v; want %q at %q with the cure %q\nall: %+v", code, f, tt.want, tt.stop, tt.cure, checks)
			}
			if tt.edit == nil {
				p.paste(f.Command)
			} else {
				tt.edit(p)
			}
			p.awaitHealthy()
		})
	}
}

func (s *scene) patient(t *testing.T) *patient {
	s = s.in(t)
	p := &patient{scene: s, root: s.home(), host: s.cloud.hosts()[0], config: s.write("")}
	p.equip()
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
