package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

const (
	unit       = "ecr-refreshd.service"
	socketUnit = "ecr-refreshd.socket"
	hostConfig = "/etc/ecr-refreshd/config.yaml"
	allWell    = "4 registries logged in"
)

// away is an AWS that does not answer.
var away = emulator.Fault{Operation: "GetAuthorizationToken", Drop: true}

// TestSystemd boots a host with the service enabled and does with it what an
// administrator does, and what happens to hosts.
func TestSystemd(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudSystemd, 10*time.Minute) // only what the test does makes a token another one
	h := s.newHost()
	h.addKeys()
	h.put(hostConfig, h.service("targets: [{type: engine}]\n"), 0o644)
	h.addWitnesses()
	h.enable(unit, "early.service", "later.service")
	registries := s.cloud.hosts()
	// AWS is slow, so that what does not wait is there before the tokens.
	s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Delay: 2 * time.Second, Times: len(regions)})
	h.boot()

	part := func(name string, do func(*host)) {
		t.Run(name, func(t *testing.T) { do(h.in(t)) })
	}
	part("a pull before the daemon has started waits for its login", func(h *host) {
		h.awaitProperty("early.service", "SubState", "exited")
		out, err := os.ReadFile(filepath.Join(h.root, early))
		must(h.t, err)
		if _, err := h.answer(registries[0], out); err != nil {
			h.t.Error(err)
		}
	})
	part("who comes after the service finds all as it should be", func(h *host) {
		h.awaitProperty("later.service", "SubState", "exited")
		h.wantFresh(filepath.Join(h.root, later))
	})
	part("members of the group docker get logins, others do not", func(h *host) {
		if _, err := h.get("jenkins", registries[1]); err != nil {
			h.t.Error(err)
		}
		if _, err := h.get("daemon", registries[1]); err == nil || !strings.Contains(err.Error(), "permission denied") {
			h.t.Errorf("an account beside the group got %v, want permission denied", err)
		}
	})
	part("status tells the truth", (*host).testStatus)
	part("metrics over TCP, within the sandbox", (*host).testMetrics)
	part("a removed socket", (*host).testRemovedSocket)
	part("reload", (*host).testReload)
	part("a restart while AWS is away", (*host).testRestart)
	part("a process that is frozen", (*host).testFrozen)
	part("crashes", (*host).testCrashes)
	part("a wrong configuration", (*host).testWrong)
	part("other accounts' files", (*host).testUsers)
	part("the journal can be queried", (*host).testJournal)
	part("the log level is switched by a signal", (*host).testLevel)
	part("stop", (*host).testStop)
	part("without a daemon", (*host).testTimer)
	part("a user's own service", (*host).testUser)
}

// in is the host for a part of its test.
func (h *host) in(t *testing.T) *host {
	part := *h
	part.scene = h.scene.in(t)
	return &part
}

// addKeys gives the service its AWS keys as the drop-in says.
func (h *host) addKeys() {
	h.t.Helper()
	p := h.cloud.principal()
	h.put("/etc/credstore/ecr-refreshd.aws-credentials", fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		h.cloud.profile(), p.AccessKeyID, p.SecretAccessKey), 0o600)
	for _, unit := range []string{unit, "ecr-refreshd-once.service"} {
		h.copy(filepath.Join(unitsDir, "aws-credentials.conf"), "/etc/systemd/system/"+unit+".d/aws-credentials.conf", 0o644)
	}
}

// service is a configuration for the system's service.
func (h *host) service(targets string) string {
	return h.registries() + targets + h.access(h.aws.Endpoint()) + "socket: {group: docker}\nhttp: {listen: 127.0.0.1:9462}\n"
}

const (
	early = "/var/lib/early"
	later = "/var/lib/later"
)

// addWitnesses adds a unit that asks for a login as soon as the socket is there,
// before the daemon has started, and one that looks at the daemon once it counts as
// started.
func (h *host) addWitnesses() {
	h.t.Helper()
	install := "\n[Install]\nWantedBy=multi-user.target\n"
	h.put("/etc/systemd/system/early.service", "[Unit]\nAfter="+socketUnit+"\nBefore="+unit+"\n"+
		"[Service]\nType=exec\nRemainAfterExit=yes\nUMask=0077\n"+
		"ExecStart=/bin/sh -c 'echo "+h.cloud.hosts()[0]+" | docker-credential-ecr-refreshd get >"+early+"'\n"+install, 0o644)
	h.put("/etc/systemd/system/later.service", "[Unit]\nRequires="+unit+"\nAfter="+unit+"\n"+
		"[Service]\nType=oneshot\nRemainAfterExit=yes\n"+
		"ExecStart=/bin/sh -c 'ecr-refreshd status --output json >"+later+"'\n"+install, 0o644)
}

// wantFresh checks a status in a file: everything is well.
func (h *host) wantFresh(path string) {
	h.t.Helper()
	text, err := os.ReadFile(path)
	must(h.t, err)
	var status struct {
		Registries []struct {
			Host, State string
			Targets     []struct{ Name, State string }
		}
	}
	must(h.t, json.Unmarshal(text, &status))
	if len(status.Registries) != len(h.cloud.hosts()) {
		h.t.Errorf("got %d registries", len(status.Registries))
	}
	for _, r := range status.Registries {
		if r.State != "fresh" || len(r.Targets) != 1 || r.Targets[0].State != "ok" {
			h.t.Errorf("%s is %s, its targets %v", r.Host, r.State, r.Targets)
		}
	}
}

// mainPID is the daemon's process id on the host.
func (h *host) mainPID() string {
	h.t.Helper()
	return h.property(unit, "MainPID")
}

func (h *host) testStatus() {
	h.awaitProperty(unit, "StatusText", allWell)
	clear := h.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Region: regions[1], Status: 400, Code: "AccessDeniedException", Message: "no"})
	h.systemctl("kill", "--signal=USR1", unit)
	const some = "2 of 4 registries not well"
	h.awaitProperty(unit, "StatusText", some)
	text := h.property(unit, "StatusText")
	if !strings.Contains(text, regions[1]) || !strings.Contains(text, "ecr:GetAuthorizationToken") {
		h.t.Errorf("status is %q; want the region and what is missing", text)
	}
	// The rest changes with each try.
	if out, _ := h.try("systemctl", "status", "--lines=0", unit); !strings.Contains(out, some) || !strings.Contains(out, "ecr:GetAuthorizationToken") {
		h.t.Errorf("systemctl status shows\n%s", out)
	}
	clear()
	h.systemctl("kill", "--signal=USR1", unit)
	h.awaitProperty(unit, "StatusText", allWell)
}

func (h *host) testMetrics() {
	for path, want := range map[string]string{
		"/metrics": `ecr_refreshd_registry_state{host="` + h.cloud.hosts()[0] + `",state="fresh"} 1`,
		"/healthz": "\nok", "/readyz": "\nok", "/": "<html",
	} {
		answer := h.runInside("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/9462 && printf 'GET `+path+` HTTP/1.0\r\n\r\n' >&3 && cat <&3`)
		if !strings.HasPrefix(answer, "HTTP/1.0 200 OK") || !strings.Contains(answer, want) {
			h.t.Errorf("%s answers %.600s", path, answer)
		}
	}
}

// testRemovedSocket: a restart of the service alone leaves the socket away; what
// the status says brings it back.
func (h *host) testRemovedSocket() {
	const socket = "/run/ecr-refreshd/ecr-refreshd.sock"
	h.runInside("rm", socket)
	h.awaitProperty(unit, "StatusText", "somebody has removed the socket")
	h.systemctl("restart", unit)
	h.awaitProperty(unit, "StatusText", "somebody has removed the socket")
	if _, code := h.try("test", "-S", socket); code == 0 {
		h.t.Error("a restart of the service makes the socket again: end instead of saying the command")
	}
	h.systemctl("stop", socketUnit)
	h.systemctl("restart", unit)
	h.awaitProperty(unit, "StatusText", allWell)
	if _, err := h.get("", h.cloud.hosts()[0]); err != nil {
		h.t.Error(err)
	}
}

func (h *host) testReload() {
	pid, good := h.mainPID(), h.service("targets: [{type: engine}]\n")
	before, err := h.get("", h.cloud.hosts()[0])
	must(h.t, err)
	h.put(hostConfig, "registries: nonsense\n", 0o644)
	h.systemctl("reload", unit)
	h.awaitProperty(unit, "StatusText", "configuration has an error")
	if after, err := h.get("", h.cloud.hosts()[0]); err != nil || after != before {
		h.t.Errorf("with a bad file: %v, and the same login is %t", err, after == before)
	}
	if out := h.journal("--unit="+unit, "--priority=err", "--output=cat"); !strings.Contains(out, "nonsense") {
		h.t.Errorf("the journal's errors are\n%s", out)
	}

	h.put(hostConfig, strings.Replace(good, "registries:\n", "registries:\n  - {region: us-west-2, account: \""+h.cloud.accounts()[0]+"\", targets: [engine]}\n", 1), 0o644)
	h.systemctl("reload", unit)
	h.awaitProperty(unit, "StatusText", "5 registries")
	h.put(hostConfig, good, 0o644)
	h.systemctl("reload", unit)
	h.awaitProperty(unit, "StatusText", allWell)
	if got := h.mainPID(); got != pid {
		h.t.Errorf("it was process %s and is %s", pid, got)
	}
}

// wantSame checks that the daemon has the login still.
func (h *host) wantSame(want login) {
	h.t.Helper()
	got, err := h.get("", h.cloud.hosts()[0])
	if err != nil || got != want {
		h.t.Errorf("%v; the same login is %t", err, got == want)
	}
}

func (h *host) testRestart() {
	before, err := h.get("", h.cloud.hosts()[0])
	must(h.t, err)
	defer h.aws.Inject(away)()
	pid := h.mainPID()
	h.systemctl("restart", unit)
	if h.mainPID() == pid {
		h.t.Error("it was not restarted")
	}
	h.wantSame(before)
}

// awaitNext waits until another process has taken the place of pid.
func (h *host) awaitNext(pid string) {
	h.t.Helper()
	await(h.t, func() (bool, string) {
		next := h.mainPID()
		return next != pid && next != "0" && h.property(unit, "ActiveState") == "active", "another process than " + pid
	})
}

func (h *host) testFrozen() {
	h.dropIn(unit, "watchdog", "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=2s\n")
	h.systemctl("restart", unit) // systemd takes the new time for a new process only
	before, err := h.get("", h.cloud.hosts()[0])
	must(h.t, err)
	defer h.aws.Inject(away)()
	pid := h.mainPID()
	h.systemctl("kill", "--kill-who=main", "--signal=STOP", unit)
	h.awaitNext(pid)
	h.wantSame(before)
	if out := h.journal("--unit="+unit, "--output=cat"); !strings.Contains(out, "Watchdog timeout") {
		h.t.Error("the journal does not tell of the watchdog")
	}
	h.dropIn(unit, "watchdog", "")
	h.systemctl("restart", unit)
}

func (h *host) testCrashes() {
	before, err := h.get("", h.cloud.hosts()[0])
	must(h.t, err)
	defer h.aws.Inject(away)()
	// What a panic ends with is as ABRT, see GOTRACEBACK in the unit.
	for _, signal := range []string{"KILL", "ABRT", "SEGV"} {
		pid := h.mainPID()
		h.systemctl("kill", "--kill-who=main", "--signal="+signal, unit)
		h.awaitNext(pid)
		h.wantSame(before)
	}
}

// testWrong has an error in the configuration at a start: no restart for ever, clear
// words for who asks, and all is well again after it is fixed.
func (h *host) testWrong() {
	h.put(hostConfig, "registries: nonsense\n", 0o644)
	if out, code := h.try("systemctl", "restart", unit); code == 0 {
		h.t.Errorf("restart is content:\n%s", out)
	}
	await(h.t, func() (bool, string) {
		_, err := h.get("", h.cloud.hosts()[0])
		if err == nil {
			h.t.Fatal("got a login")
		}
		return strings.Contains(err.Error(), "systemctl start ecr-refreshd"), err.Error()
	})
	for _, unit := range []string{unit, socketUnit} {
		if got := h.property(unit, "ActiveState"); got != "failed" {
			h.t.Errorf("%s is %s", unit, got)
		}
	}
	if got := h.property(unit, "ExecMainStatus"); got != "2" {
		h.t.Errorf("exit code %s", got)
	}
	h.put(hostConfig, h.service("targets: [{type: engine}]\n"), 0o644)
	h.systemctl("restart", unit)
	if got := h.property(socketUnit, "ActiveState"); got != "active" {
		h.t.Errorf("the socket is %s", got)
	}
	_, err := h.get("", h.cloud.hosts()[0])
	must(h.t, err)
}

// testJournal asks the journal as administrators and programs do: by field, and by
// how severe it is.
func (h *host) testJournal() {
	type entry struct {
		Message  string `json:"MESSAGE"`
		Priority string `json:"PRIORITY"`
		Region   string `json:"REGION"`
		Reason   string `json:"REASON"`
		Hint     string `json:"HINT"`
	}
	ask := func(args ...string) (found []entry) {
		for line := range strings.Lines(h.journal(append([]string{"--output=json", "_SYSTEMD_UNIT=" + unit, "SYSLOG_IDENTIFIER=ecr-refreshd"}, args...)...)) {
			var e entry
			if json.Unmarshal([]byte(line), &e) == nil { // the crashes' bytes are no text
				found = append(found, e)
			}
		}
		return found
	}
	host := h.cloud.hosts()[0]
	renewed := ask("--priority=info", "HOST="+host)
	if len(renewed) == 0 {
		h.t.Fatalf("nothing in the journal with HOST=%s", host)
	}
	for _, e := range renewed {
		if !strings.Contains(e.Message, "host="+host) || e.Region == "" {
			h.t.Errorf("with HOST=%s: %+v", host, e)
		}
	}
	failed := ask("--priority=warning", "REASON=network")
	if len(failed) == 0 {
		h.t.Error("nothing in the journal with REASON=network, though AWS was away")
	}
	for _, e := range failed {
		if e.Hint == "" || e.Priority > "4" {
			h.t.Errorf("with REASON=network: %+v", e)
		}
	}
	if len(ask("--priority=err")) == 0 {
		h.t.Error("no errors in the journal, though the configuration was wrong")
	}
}

func (h *host) testStop() {
	start := time.Now()
	h.systemctl("stop", unit)
	if took := time.Since(start); took > stopsWithin {
		h.t.Errorf("took %s", took)
	}
	if result := h.property(unit, "Result"); result != "success" {
		h.t.Errorf("the result is %q", result)
	}
	h.systemctl("stop", socketUnit)
}
