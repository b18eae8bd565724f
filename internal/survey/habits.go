package survey

import (
	"path"
	"slices"
	"strings"
)

// Habit is something that logs in today, and that this program replaces.
type Habit struct {
	Kind     Kind
	At       Place  // where it starts: the cron line, the unit, the script
	User     string // as whom
	Script   string // the script that it runs, where the logins are; empty if they are in At
	Unit     string // the systemd unit to disable
	Commands []Command
	Alone    bool // it does nothing but log in
	Weak     bool // its account may not decide as whom the host's service logs in
}

// Kind is what starts a habit.
type Kind int

// The closed list of kinds.
const (
	SystemCron Kind = iota // a line of /etc/crontab or /etc/cron.d
	UserCron               // a line of a user's crontab
	Timer                  // a systemd timer
	Service                // a systemd service without a timer
	Script                 // a script that something else runs
)

const (
	maxHabits = 200 // more than a host has
	// maxOfOne is how many habits one account may have, or one file of root's: the
	// rest of the host is to be seen too.
	maxOfOne = 20
)

// note keeps a habit if it logs in; those of others are not a user's to end.
func (l *looker) note(h Habit, commands []Command, alone bool) {
	if len(commands) == 0 || len(l.s.Habits) >= maxHabits || l.Own && (l.s.Me == nil || h.User != l.s.Me.Name) {
		return
	}
	if of := h.source(); l.habitsOf(of) >= maxOfOne {
		l.missed(of, errHabits)
		return
	}
	h.Commands, h.Alone = commands, alone
	l.s.Habits = append(l.s.Habits, h)
}

// source is what is counted as one: an account, or a file of root's.
func (h Habit) source() string {
	if h.User == "" || h.User == "root" {
		return h.At.Path
	}
	return "~" + h.User
}

func (l *looker) habitsOf(source string) int {
	n := 0
	for _, h := range l.s.Habits {
		if h.source() == source {
			n++
		}
	}
	return n
}

// runs notes a habit whose command line is text: the login is in it, or in a
// script that it names.
func (l *looker) runs(h Habit, text string, env variables) {
	commands, alone := parseShell(text, env)
	if len(commands) > 0 {
		for i := range commands {
			commands[i].First, commands[i].Last = h.At.Line, h.At.Line
		}
		l.note(h, commands, alone)
		return
	}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\"';&|()<>", r) }) {
		if !path.IsAbs(w) || path.Clean(w) != w || !graphic(w) || strings.HasPrefix(w, "/dev/") || strings.HasPrefix(w, "/proc/") {
			continue
		}
		commands, alone := parseShell(string(l.script(w, h.User)), env)
		if len(commands) > 0 {
			h.Script = w
			l.note(h, commands, alone && onlyRuns(text))
			return
		}
	}
}

// onlyRuns reports whether a command line runs one command and nothing else.
func onlyRuns(text string) bool {
	return !strings.ContainsAny(strings.ReplaceAll(text, "2>&1", ""), "&;|")
}

// script reads a script on behalf of a user, who has named it and may not have
// been able to read it: then nobody does.
func (l *looker) script(name, user string) []byte {
	if a := slices.IndexFunc(l.all, func(a Account) bool { return a.Name == user }); a >= 0 {
		if rest, ok := strings.CutPrefix(name, strings.TrimSuffix(l.all[a].Home, "/")+"/"); ok && l.all[a].Home != "/" {
			h, err := l.open(l.all[a])
			if err != nil || h == nil {
				return nil
			}
			defer h.close()
			return textOf(h.file(rest))
		}
	}
	if user != "root" && !l.readableToAll(name) {
		return nil
	}
	return textOf(l.file(name))
}

// textOf drops what is a program and no script.
func textOf(data []byte) []byte {
	if strings.IndexByte(string(data[:min(len(data), 512)]), 0) >= 0 {
		return nil
	}
	return data
}

// cron looks at all that cron runs.
func (l *looker) cron() {
	l.crontab("/etc/crontab", "")
	for _, file := range l.list("/etc/cron.d") {
		if !strings.Contains(path.Base(file), ".") { // cron runs no others
			l.crontab(file, "")
		}
	}
	// Debian's place, which is no directory of crontabs elsewhere, and Red Hat's.
	for _, dir := range []string{"/var/spool/cron/crontabs", "/var/spool/cron"} {
		for _, file := range l.list(dir) {
			if user := path.Base(file); slices.ContainsFunc(l.all, func(a Account) bool { return a.Name == user }) {
				l.crontab(file, user)
			}
		}
	}
	for _, dir := range []string{"/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"} {
		for _, file := range l.list(dir) {
			l.standalone(file, "root")
		}
	}
}

// crontab looks at a crontab; one of the system's, without user, says in each
// line as whom.
func (l *looker) crontab(file, user string) {
	kind := UserCron
	if user == "" {
		kind = SystemCron
	}
	lines, env := parseCrontab(string(l.file(file)), user == "")
	for _, c := range lines {
		who := user
		if who == "" {
			who = c.user
		}
		if !accountName.MatchString(who) {
			continue // cron does not run it
		}
		l.runs(Habit{Kind: kind, At: Place{file, c.line}, User: who}, c.command, env)
	}
}

// cronLine is one that runs something.
type cronLine struct {
	line          int
	user, command string
}

// parseCrontab reads a crontab: its lines and its environment.
func parseCrontab(text string, system bool) (lines []cronLine, env variables) {
	env = variables{}
	n := 0
	for l := range strings.Lines(text) {
		n++
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if name, value, ok := strings.Cut(l, "="); ok && word.MatchString(strings.TrimSpace(name)) {
			env.set(strings.TrimSpace(name), []string{strings.Trim(strings.TrimSpace(value), `"'`)})
			continue
		}
		skip := 5 // the fields of the time
		if l[0] == '@' {
			skip = 1
		}
		c := cronLine{line: n}
		for range skip {
			_, l = field(l)
		}
		if system {
			c.user, l = field(l)
		}
		if c.command = beforePercent(l); c.command != "" {
			lines = append(lines, c)
		}
	}
	return lines, env
}

func field(s string) (first, rest string) {
	at := strings.IndexAny(s, " \t")
	if at < 0 {
		return s, ""
	}
	return s[:at], strings.TrimLeft(s[at:], " \t")
}

// beforePercent cuts a command where its standard input begins, for cron.
func beforePercent(s string) string {
	for i := range len(s) {
		if s[i] == '%' && (i == 0 || s[i-1] != '\\') {
			s = s[:i]
			break
		}
	}
	return strings.ReplaceAll(s, `\%`, "%")
}

// scripts looks at those that people put where something else runs them.
func (l *looker) scripts() {
	for _, dir := range []string{"/usr/local/bin", "/usr/local/sbin", "/etc/profile.d"} {
		for _, file := range l.list(dir) {
			l.standalone(file, "")
		}
	}
	l.standalone("/etc/rc.local", "root")
}

// standalone looks at one script of the system's, unless a habit has led to it.
func (l *looker) standalone(file, user string) {
	if slices.ContainsFunc(l.s.Habits, func(h Habit) bool { return h.Script == file }) || !l.short(file) {
		return
	}
	commands, alone := parseShell(string(textOf(l.file(file))), nil)
	l.note(Habit{Kind: Script, At: Place{Path: file}, User: user}, commands, alone)
}

// startFiles looks at what runs when an account logs in.
func (l *looker) startFiles(h *home) {
	for _, name := range []string{".profile", ".bash_profile", ".bashrc", ".zshrc"} {
		commands, _ := parseShell(string(h.file(name)), nil)
		if len(commands) > 0 {
			l.note(Habit{Kind: Script, At: Place{h.shown(name), commands[0].First}, User: h.Name}, commands, false)
		}
	}
}
