package discover

import (
	"cmp"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// job is something that logs in today, and that this program replaces.
type job struct {
	at     place  // where it starts: the cron line, the unit, the script
	user   string // as whom; empty where that is not known
	script string // the script that it runs, where the logins are; empty if they are in at
	unit   string // the systemd unit that starts it; empty for none
	logins []login
	weak   bool // its account may not decide as whom the host's service logs in
}

// note keeps a job if it logs in; those of others are not a user's to end.
func (h *host) note(j job, logins []login) {
	if len(logins) == 0 || h.Own && !h.knows(j.user) {
		return
	}
	whose := j.at.path
	if j.user != "" && j.user != "root" {
		whose = "~" + j.user
	}
	if h.oneMore("logins", whose, maxJobs) {
		j.logins = logins
		h.jobs = append(h.jobs, j)
	}
}

// knows reports whether there is an account of that name.
func (h *host) knows(name string) bool {
	return slices.ContainsFunc(h.accounts, func(a account) bool { return a.Name == name })
}

// runs notes a job whose command line is text: the login is in it, or in a script
// that it names. It reports whether there is one.
func (h *host) runs(j job, text string, env variables) bool {
	logins := parseLogins(text, env)
	for i := range logins {
		logins[i].line = j.at.line
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\"';&|()<>", r) })
	for i := 0; i < len(words) && len(logins) == 0; i++ {
		if w := words[i]; path.IsAbs(w) && path.Clean(w) == w && printable(w) == w && !strings.HasPrefix(w, "/dev/") && !strings.HasPrefix(w, "/proc/") {
			j.script, logins = w, parseLogins(h.script(w, j.user), env)
		}
	}
	h.note(j, logins)
	return len(logins) > 0
}

// script reads a script on behalf of a user, who has named it and may not have
// been able to read it: then nobody does.
func (h *host) script(name, user string) string {
	for i := range h.accounts {
		a := &h.accounts[i]
		rest, inHome := strings.CutPrefix(name, strings.TrimSuffix(a.Home, "/"))
		if a.Name != user || a.Home == "/" || !inHome || !path.IsAbs(rest) {
			continue
		}
		t, err := h.home(a)
		if err != nil || t == nil {
			return ""
		}
		defer t.close()
		return t.read(rest)
	}
	if info, err := os.Stat(h.at(name)); user != "root" && (err != nil || info.Mode()&0o004 == 0) {
		return ""
	}
	return h.system().read(name)
}

// cron looks at all that cron runs.
func (t *tree) cron() {
	t.crontab("/etc/crontab", "")
	for _, file := range t.list("/etc/cron.d") {
		if !strings.Contains(path.Base(file), ".") { // cron runs no others
			t.crontab(file, "")
		}
	}
	// Debian's place, which is no directory of crontabs elsewhere, and Red Hat's.
	for _, dir := range []string{"/var/spool/cron/crontabs", "/var/spool/cron"} {
		for _, file := range t.list(dir) {
			if user := path.Base(file); t.knows(user) {
				t.crontab(file, user)
			}
		}
	}
}

var (
	cronVariable = regexp.MustCompile(`^([A-Za-z_]\w*)\s*=\s*["']?(.*?)["']?$`)
	cronCommand  = regexp.MustCompile(`^(?:@\w+|(?:\S+\s+){4}\S+)\s+(.*)$`)
)

// crontab looks at a crontab; one of the system's, without user, says in each
// line as whom.
func (t *tree) crontab(file, user string) {
	env := variables{}
	for n, line := range lines(t.read(file)) {
		if m := cronVariable.FindStringSubmatch(line); m != nil {
			env[m[1]] = []string{m[2]}
		} else if m := cronCommand.FindStringSubmatch(line); m != nil {
			who, command := user, m[1]
			if user == "" {
				who, command, _ = strings.Cut(strings.ReplaceAll(command, "\t", " "), " ")
			}
			if accountName.MatchString(who) { // cron runs nothing for another
				t.runs(job{at: place{file, n}, user: who}, command, env)
			}
		}
	}
}

// scripts looks at those that people put where something else runs them, unless a
// job has led to them.
func (t *tree) scripts() {
	for _, dir := range []string{"/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly",
		"/usr/local/bin", "/usr/local/sbin", "/etc/profile.d"} {
		user := ""
		if strings.HasPrefix(dir, "/etc/cron.") {
			user = "root"
		}
		for _, file := range t.list(dir) {
			info, err := os.Stat(t.at(file))
			if err == nil && info.Mode().IsRegular() && !slices.ContainsFunc(t.jobs, func(j job) bool { return j.script == file }) {
				t.note(job{at: place{path: file}, user: user}, parseLogins(t.read(file), nil))
			}
		}
	}
}

// startFiles looks at what runs when an account logs in.
func (t *tree) startFiles() {
	for _, name := range []string{"/.profile", "/.bash_profile", "/.bashrc", "/.zshrc"} {
		t.note(job{at: place{path: t.shown(name)}, user: t.owner.Name}, parseLogins(t.read(name), nil))
	}
}

// unitName is what systemd accepts without escapes, and no command takes for an
// option.
var unitName = regexp.MustCompile(`^[\w@.:][\w@.:-]{0,199}\.(?:service|timer)$`)

// units looks at the services in a directory, and at the timers that start them.
func (t *tree) units(dir string) {
	files := slices.DeleteFunc(t.list(dir), func(file string) bool {
		return !unitName.MatchString(path.Base(file)) || strings.HasPrefix(path.Base(file), ownName)
	})
	timers := make(map[string]string) // by the service
	for _, file := range files {
		if name, ok := strings.CutSuffix(path.Base(file), ".timer"); ok {
			timers[cmp.Or(valueOf(parseUnit(t.read(file)), "Unit"), name+".service")] = path.Base(file)
		}
	}
	for _, file := range files {
		name := path.Base(file)
		if !strings.HasSuffix(name, ".service") {
			continue
		}
		settings := parseUnit(t.read(file))
		j := job{at: place{path: t.shown(file)}, unit: cmp.Or(timers[name], name)}
		if t.owner != nil {
			j.user = t.owner.Name
		} else if user := cmp.Or(valueOf(settings, "User"), "root"); accountName.MatchString(user) { // not a number, nor a specifier such as %i
			j.user = user
		}
		env := variables{}
		found := false
		for _, s := range settings {
			switch j.at.line = s.line; {
			case s.key == "Environment":
				env.assign(s.value)
			case strings.HasPrefix(s.key, "Exec") && !found:
				found = t.runs(j, strings.TrimLeft(s.value, "-@:+!"), env)
			}
		}
	}
}

// ownUnit looks at what there is of the host's own service.
func (t *tree) ownUnit() {
	for _, file := range t.list("/etc/systemd/system/" + ownName + ".service.d") {
		settings := parseUnit(t.read(file))
		t.homes = t.homes || strings.Contains(valueOf(settings, "AmbientCapabilities"), "CAP_SETUID")
		t.keys = t.keys || valueOf(settings, "LoadCredential")+valueOf(settings, "LoadCredentialEncrypted") != ""
	}
	_, err := os.Lstat(t.at("/etc/systemd/system/multi-user.target.wants/" + ownName + ".service"))
	t.enabled = err == nil
}

// setting is one line of a unit.
type setting struct {
	line       int
	key, value string
}

// parseUnit reads the settings of a unit, of all its sections.
func parseUnit(text string) []setting {
	var all []setting
	for n, line := range lines(text) {
		if key, value, ok := strings.Cut(line, "="); ok {
			all = append(all, setting{n, strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	return all
}

// valueOf is the last value of a setting, which is the one that counts.
func valueOf(all []setting, key string) string {
	v := ""
	for _, s := range all {
		if s.key == key {
			v = s.value
		}
	}
	return v
}
