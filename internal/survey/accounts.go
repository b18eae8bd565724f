package survey

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxAccounts is how many lines of passwd are looked at.
const maxAccounts = 5000

// accountName is what useradd accepts; what is not one is not shown to anybody.
var accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)

// accounts reads passwd and group.
func (l *looker) accounts() {
	l.all = parsePasswd(string(l.file("/etc/passwd")))
	gid, members := parseGroup(string(l.file("/etc/group")), "docker")
	for i := range l.all {
		a := &l.all[i]
		a.Docker = a.Name == "root" || gid >= 0 && a.gid == gid || slices.Contains(members, a.Name)
		a.Agent = agents[a.Name]
	}
	if l.exists("/etc/gitlab-runner/config.toml") {
		l.agent("root", "GitLab runner")
	}
	if !l.Own {
		return
	}
	at := slices.IndexFunc(l.all, func(a Account) bool { return a.uid == l.UID && a.Home == l.Getenv("HOME") })
	if at < 0 {
		at = slices.IndexFunc(l.all, func(a Account) bool { return a.uid == l.UID })
	}
	if name := l.Getenv("USER"); at < 0 && accountName.MatchString(name) { // of a directory service
		at = len(l.all)
		l.all = append(l.all, Account{Name: name, Home: l.Getenv("HOME"), uid: l.UID, Docker: slices.Contains(members, name)})
	}
	if at >= 0 {
		l.s.Me = &l.all[at]
	}
}

// agents are the accounts that the packages of build services make.
var agents = map[string]string{
	"jenkins":         "Jenkins agent",
	"gitlab-runner":   "GitLab runner",
	"buildkite-agent": "Buildkite agent",
	"actions-runner":  "GitHub runner",
	"github-runner":   "GitHub runner",
}

// agentUnits are the beginnings of the names of units in which agents run.
var agentUnits = []struct{ prefix, what string }{
	{"jenkins", "Jenkins agent"},
	{"swarm-client", "Jenkins agent"},
	{"gitlab-runner", "GitLab runner"},
	{"buildkite-agent", "Buildkite agent"},
	{"actions.runner.", "GitHub runner"},
}

// agent notes that an account runs the agent of a build service, as something
// says that only root could write.
func (l *looker) agent(name, what string) {
	for i := range l.all {
		if a := &l.all[i]; a.Name == name {
			a.byUnit = true
			if a.Agent == "" {
				a.Agent = what
			}
		}
	}
}

// runnerIn finds the directories of GitHub's runner, which has no package, and
// of Jenkins agents that ssh starts, which have no unit.
func (l *looker) runnerIn(h *home, a *Account) {
	for _, name := range h.list(".") {
		switch {
		case a.Agent != "":
			return
		case name == "remoting" && h.has("remoting/jarCache"), name == "agent.jar", name == "remoting.jar":
			a.Agent = "Jenkins agent"
		case strings.Contains(name, "runner") && h.has(filepath.Join(name, ".runner")):
			a.Agent = "GitHub runner"
		}
	}
}

// distrust takes from the host's service what accounts say that are not as good as
// root. The service runs the programs that AWS files name, and its identity may do
// more than theirs: nobody may steer it by what lies in a home.
func (l *looker) distrust() {
	if l.Own {
		return
	}
	trusted := map[string]bool{"root": true, ownUnit: true}
	for _, a := range l.all {
		trusted[a.Name] = trusted[a.Name] || a.Docker || a.byUnit
	}
	for _, f := range l.s.AWS.Files {
		if !trusted[f.User] {
			l.missed("~"+f.User+"/.aws", errWeak)
		}
	}
	l.s.AWS.Files = slices.DeleteFunc(l.s.AWS.Files, func(f SharedFile) bool { return !trusted[f.User] })
	l.s.AWS.Profiles = slices.DeleteFunc(l.s.AWS.Profiles, func(p Profile) bool { return !trusted[p.User] })
	for i := range l.s.Habits {
		h := &l.s.Habits[i]
		// What has no account and no script is all in a file of the system's.
		h.Weak = !trusted[h.User] && (h.User != "" || h.Script != "")
	}
}

func (h *home) has(name string) bool {
	_, err := h.root.Lstat(name)
	return err == nil
}

// parsePasswd reads /etc/passwd; lines that are none are left out.
func parsePasswd(text string) []Account {
	var all []Account
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 || !accountName.MatchString(f[0]) || len(all) == maxAccounts {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err != nil || err2 != nil {
			continue
		}
		all = append(all, Account{Name: f[0], Home: f[5], uid: int(uid), gid: int(gid)})
	}
	return all
}

// parseGroup finds a group in /etc/group; gid is -1 where there is none.
func parseGroup(text, name string) (gid int, members []string) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 4 || f[0] != name {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		return int(id), strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' })
	}
	return -1, nil
}
