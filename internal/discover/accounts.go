package discover

import (
	"regexp"
	"slices"
	"strings"

	accounts "ecr-refreshd/internal/osuser"
)

// maxAccounts is how many accounts of passwd are looked at.
const maxAccounts = 5000

// ownName is that of our own service, and of its account.
const ownName = "ecr-refreshd"

// accountName is what useradd accepts; what is not one is not shown to anybody.
var accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)

// account is an account of this host.
type account struct {
	accounts.Account
	docker bool // root, or in the group docker
}

// findAccounts reads passwd and group.
func (h *host) findAccounts() {
	gid, members := -1, []string(nil)
	for line := range strings.Lines(h.system().read("/etc/group")) {
		if name, id, all, err := accounts.ParseGroup(strings.TrimSpace(line)); name == "docker" && err == nil {
			gid, members = id, all
		}
	}
	for line := range strings.Lines(h.system().read("/etc/passwd")) {
		a, err := accounts.ParseUser(strings.TrimSpace(line))
		if err != nil || !accountName.MatchString(a.Name) || len(h.accounts) == maxAccounts {
			continue
		}
		h.accounts = append(h.accounts, account{Account: *a, docker: a.Name == "root" || a.GID == gid || slices.Contains(members, a.Name)})
	}
	if !h.Own {
		return
	}
	me := account{docker: slices.Contains(members, h.Getenv("USER"))}
	me.Name, me.UID, me.Home = h.Getenv("USER"), h.UID, h.Getenv("HOME") // a user of a directory service is not in passwd
	for _, a := range h.accounts {
		if a.UID == h.UID && (a.Name == me.Name || a.Home == me.Home) {
			me = a
		}
	}
	if h.accounts = nil; accountName.MatchString(me.Name) {
		h.accounts = []account{me}
	}
}

// distrust takes from the host's service what accounts say that are not as good as
// root. The service runs the programs that AWS files name, and its identity may do
// more than theirs: nobody may steer it by what lies in a home.
func (h *host) distrust() {
	if h.Own {
		return
	}
	trusted := map[string]bool{"root": true, ownName: true}
	for _, a := range h.accounts {
		trusted[a.Name] = trusted[a.Name] || a.docker
	}
	h.files = slices.DeleteFunc(h.files, func(f sharedFile) bool {
		if !trusted[f.user] {
			h.unread = append(h.unread, Finding{"~" + f.user + "/.aws", "is not used: its account is not in the group docker"})
		}
		return !trusted[f.user]
	})
	h.unread = slices.Compact(h.unread)
	h.profiles = slices.DeleteFunc(h.profiles, func(p profile) bool { return !trusted[p.user] })
	for i := range h.jobs {
		j := &h.jobs[i]
		// What has no account and no script is all in a file of the system's.
		j.weak = !trusted[j.user] && (j.user != "" || j.script != "")
	}
}

// uses reports whether an account logs in, or has something from a login.
func (h *host) uses(name string) bool {
	return slices.ContainsFunc(h.mentions, func(m mention) bool { return m.user == name }) ||
		slices.ContainsFunc(h.jobs, func(j job) bool { return j.user == name }) ||
		slices.ContainsFunc(h.oldStores, func(p place) bool { return strings.HasPrefix(p.path, "~"+name+"/") })
}

// pullers are the accounts whose docker has to find the logins.
func (h *host) pullers() []account {
	return slices.DeleteFunc(slices.Clone(h.accounts), func(a account) bool {
		return a.Name == ownName || !a.docker && !h.uses(a.Name)
	})
}
