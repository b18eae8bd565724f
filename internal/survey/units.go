package survey

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// unitDirs are where an administrator's units are; those of packages do not log
// in to a registry.
var unitDirs = []string{"/etc/systemd/system", "/usr/local/lib/systemd/system"}

// userUnitDir is where an account has its own, below its home.
const userUnitDir = ".config/systemd/user"

// unitName is what systemd accepts without escapes, and no command takes for an
// option.
var unitName = regexp.MustCompile(`^[\w@.:][\w@.:-]{0,199}$`)

// ownUnit is the name of our own service, and of its account.
const ownUnit = "ecr-refreshd"

// setting is one line of a unit.
type setting struct {
	line            int
	section, key, v string
}

// units looks at the system's units.
func (l *looker) units() {
	for _, dir := range unitDirs {
		files := l.list(dir)
		for _, file := range files {
			base := path.Base(file)
			if !strings.HasSuffix(base, ".service") || strings.HasPrefix(base, ownUnit) || !unitName.MatchString(base) {
				continue
			}
			settings := parseUnit(string(l.file(file)))
			user := valueOf(settings, "Service", "User")
			switch {
			case user == "":
				user = "root"
			case !accountName.MatchString(user): // a number, or a specifier such as %i
				user = ""
			}
			for _, a := range agentUnits {
				if strings.HasPrefix(base, a.prefix) {
					l.agent(user, a.what)
				}
			}
			timed := slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".timer") && l.starts(f, base) })
			l.unit(Habit{At: Place{Path: file}, User: user}, base, settings, timed)
		}
	}
	for _, file := range l.list("/etc/systemd/system/" + ownUnit + ".service.d") {
		if !strings.HasSuffix(file, ".conf") {
			continue
		}
		settings := parseUnit(string(l.file(file)))
		l.s.Service.Homes = l.s.Service.Homes || strings.Contains(valueOf(settings, "Service", "AmbientCapabilities"), "CAP_SETUID")
		l.s.Service.Keys = l.s.Service.Keys || valueOf(settings, "Service", "LoadCredential")+valueOf(settings, "Service", "LoadCredentialEncrypted") != ""
	}
	_, err := os.Lstat(l.at("/etc/systemd/system/multi-user.target.wants/" + ownUnit + ".service"))
	l.s.Service.Enabled = err == nil
}

// starts reports whether a timer starts a service.
func (l *looker) starts(timer, service string) bool {
	unit := valueOf(parseUnit(string(l.file(timer))), "Timer", "Unit")
	return unit == service || unit == "" && strings.TrimSuffix(path.Base(timer), ".timer") == strings.TrimSuffix(service, ".service")
}

// unit notes what a service runs.
func (l *looker) unit(h Habit, name string, settings []setting, timed bool) {
	h.Kind, h.Unit = Service, name
	if timed {
		h.Kind, h.Unit = Timer, strings.TrimSuffix(name, ".service")+".timer"
	}
	env := variables{}
	for _, s := range settings {
		if s.section == "Service" && s.key == "Environment" {
			for _, pair := range strings.Fields(s.v) {
				if name, value, ok := strings.Cut(strings.Trim(pair, `"'`), "="); ok {
					env.set(name, []string{value})
				}
			}
		}
	}
	before, runs := len(l.s.Habits), 0
	for _, s := range settings {
		if s.section != "Service" || !strings.HasPrefix(s.key, "Exec") {
			continue
		}
		if runs++; len(l.s.Habits) == before {
			h.At.Line = s.line
			l.runs(h, strings.TrimLeft(s.v, "-@:+!"), env)
		}
	}
	// A service may log in first and then do what it is there for.
	if runs > 1 && len(l.s.Habits) > before {
		l.s.Habits[before].Alone = false
	}
}

// userUnits looks at an account's own units.
func (l *looker) userUnits(h *home) {
	names := h.list(userUnitDir)
	for _, name := range names {
		service, ok := strings.CutSuffix(name, ".service")
		if !ok || strings.HasPrefix(name, ownUnit) || !unitName.MatchString(name) {
			continue
		}
		file := path.Join(userUnitDir, name)
		l.unit(Habit{At: Place{Path: h.shown(file)}, User: h.Name}, name, parseUnit(string(h.file(file))), slices.Contains(names, service+".timer"))
	}
}

// parseUnit reads the settings of a unit. Lines that end in a backslash go on.
func parseUnit(text string) []setting {
	var all []setting
	section, open, first, n := "", "", 0, 0
	for l := range strings.Lines(text) {
		n++
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' || l[0] == ';' {
			continue
		}
		if open == "" {
			first = n
		}
		head, goesOn := strings.CutSuffix(l, `\`)
		open += head
		if goesOn && len(open) < maxText {
			open += " "
			continue
		}
		l, open = open, ""
		if name, ok := strings.CutPrefix(l, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		if key, v, ok := strings.Cut(l, "="); ok {
			all = append(all, setting{first, section, strings.TrimSpace(key), strings.TrimSpace(v)})
		}
	}
	return all
}

// valueOf gives the last value of a setting, which is the one that counts.
func valueOf(all []setting, section, key string) string {
	v := ""
	for _, s := range all {
		if s.section == section && s.key == key {
			v = s.v
		}
	}
	return v
}
