package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
)

// testUsers has the daemon write in the homes of others, with the drop-in and without.
func (h *host) testUsers() {
	jenkins := h.account("jenkins")
	h.put(hostConfig, h.service(usersTargets("jenkins")), 0o644)
	h.systemctl("restart", unit)
	h.awaitProperty(unit, "StatusText", "CAP_SETUID")
	h.copy(filepath.Join(unitsDir, "users-config.conf"), "/etc/systemd/system/"+unit+".d/users-config.conf", 0o644)
	h.systemctl("daemon-reload")
	h.systemctl("restart", unit)
	h.awaitProperty(unit, "StatusText", allWell)
	must(h.t, h.accepted(configOf(jenkins), h.cloud.hosts()...))
	wantOwned(h.t, configOf(jenkins), jenkins, 0o600)
	// That of root's podman, whose directories are not there after a boot.
	h.put(hostConfig, h.service("targets: [{type: containers-auth, user: root}]\n"), 0o644)
	h.systemctl("restart", unit)
	h.awaitProperty(unit, "StatusText", allWell)
	if modes := h.runInside("stat", "--format=%a %U", "/run/containers", "/run/containers/0", "/run/containers/0/auth.json"); strings.TrimSpace(modes) != "711 root\n700 root\n600 root" {
		h.t.Errorf("/run/containers and below: %s", modes)
	}
}

// testTimer keeps a file without the daemon.
func (h *host) testTimer() {
	ci := h.account("ci")
	h.put(hostConfig, h.service(usersTargets("ci")), 0o644)
	h.systemctl("enable", "--now", "ecr-refreshd-once.timer")
	h.awaitAccepted(configOf(ci), h.cloud.hosts()...)
	wantOwned(h.t, configOf(ci), ci, 0o600)
	h.awaitProperty("ecr-refreshd-once.service", "Result", "success")
	await(h.t, func() (bool, string) {
		next := h.property("ecr-refreshd-once.timer", "NextElapseUSecMonotonic")
		return next != "" && next != "infinity", fmt.Sprintf("next run is %q", next)
	})
	h.systemctl("daemon-reload")
	h.systemctl("disable", "--now", "ecr-refreshd-once.timer")
	if runs := strings.Count(h.journal("--unit=ecr-refreshd-once.service", "--output=cat"), "Starting "); runs != 1 {
		h.t.Errorf("it has run %d times", runs)
	}
}

// testUser has a user's own service manager run the user's own service.
func (h *host) testUser() {
	builder := h.account("builder")
	p := h.cloud.principal()
	for path, text := range map[string]string{
		"/.config/ecr-refreshd/config.yaml": h.registries() + "targets: [{type: docker-config}]\n" + h.access(h.aws.Endpoint()),
		"/.aws/credentials":                 fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", h.cloud.profile(), p.AccessKeyID, p.SecretAccessKey),
	} {
		h.put("/home/builder"+path, text, 0o600)
	}
	h.runInside("chown", "--recursive", "builder:", "/home/builder")
	// As user@.service does it, without login sessions and a message bus.
	const runtime = "/run/builder"
	h.put("/etc/systemd/system/manager.service", "[Service]\nType=notify\nUser=builder\nDelegate=yes\nRuntimeDirectory=builder\nRuntimeDirectoryMode=0700\n"+
		"Environment=XDG_RUNTIME_DIR="+runtime+"\nExecStart=/lib/systemd/systemd --user\n", 0o644)
	h.systemctl("daemon-reload")
	h.systemctl("start", "manager.service")
	user := func(program string, args ...string) string {
		return h.runInside("setpriv", append([]string{"--reuid=builder", "--regid=builder", "--init-groups", "--",
			"env", "HOME=/home/builder", "XDG_RUNTIME_DIR=" + runtime, program}, args...)...)
	}
	user("systemctl", "--user", "enable", "--now", "ecr-refreshd")
	must(h.t, h.accepted(configOf(builder), h.cloud.hosts()...))
	clear := h.aws.Inject(away)
	user("systemctl", "--user", "restart", "ecr-refreshd")
	if out := user("systemctl", "--user", "show", "--property=StatusText", "ecr-refreshd"); !strings.Contains(out, " failing: ") {
		h.t.Errorf("without the tokens of the former process: %s", out)
	}
	clear()
	user("systemctl", "--user", "reload", "ecr-refreshd")
	user("systemctl", "--user", "stop", "ecr-refreshd")
	h.systemctl("stop", "manager.service")
}

// testLevel does as docs/logs.md says.
func (h *host) testLevel() {
	pid := h.mainPID()
	for _, level := range []string{"debug", "info"} {
		h.systemctl("kill", "--kill-whom=main", "-s", "USR2", unit)
		await(h.t, func() (bool, string) {
			return strings.Contains(h.journal("--output=cat", "_SYSTEMD_UNIT="+unit, "LEVEL="+level), "log level changed"), "the change to " + level
		})
	}
	if now := h.mainPID(); now != pid {
		h.t.Errorf("the signal has ended process %s; now it is %s", pid, now)
	}
}
