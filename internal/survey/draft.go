package survey

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Draft is what follows from a survey.
type Draft struct {
	Config []byte // of a configuration file
	Found  []Finding
	Next   []Step
}

// Finding is one thing that was found.
type Finding struct{ What, Text string }

// Step is something for a person to do.
type Step struct {
	Why      string
	Commands []string // to be typed as they are; a # begins what cannot be
}

// Draft decides what the configuration should be, and what comes after it.
func (s *Survey) Draft() Draft {
	all := entries(s.wants())
	return Draft{Config: []byte(s.file(all)), Found: s.found(), Next: s.next(all)}
}

// width is the length of a line, in bytes, at which comments are broken.
const width = 96

// yaml builds a file.
type yaml struct{ strings.Builder }

func (y *yaml) line(format string, args ...any) {
	fmt.Fprintf(y, format, args...)
	y.WriteByte('\n')
}

// comment writes a text above what it is about, broken at words.
func (y *yaml) comment(indent, text string) {
	line := indent + "#"
	for _, w := range strings.Fields(text) {
		if len(line)+1+len(w) > width && line != indent+"#" {
			y.line("%s", line)
			line = indent + "#"
		}
		line += " " + w
	}
	y.line("%s", line)
}

// file writes the configuration.
func (s *Survey) file(all []entry) string {
	var y yaml
	y.comment("", "Drafted by `ecr-refreshd init` from what it found on this host. `ecr-refreshd check` shows what it leads to.")
	common := commonProfile(all)
	y.line("\nregistries:")
	for _, e := range all {
		if text := e.origin(); text != "" {
			y.comment("  ", text)
		}
		first := "  - "
		key := func(format string, args ...any) {
			y.line(first+format, args...)
			first = "    "
		}
		switch {
		case e.public:
			key("public: true")
		case e.host != "":
			key("host: %s", e.host)
		default:
			if len(e.accounts) > 0 {
				key("%s", oneOrMore("account", e.accounts, strconv.Quote))
			}
			key("%s", oneOrMore("region", e.regions, plain))
		}
		if e.profile != common {
			key("aws: {profile: %s}", scalar(e.profile))
		}
	}
	if common != "" {
		y.line("\naws:")
		y.comment("  ", s.profileNote(common))
		y.line("  profile: %s", scalar(common))
	}
	y.line("\ntargets:")
	s.targets(&y)
	if !s.Own {
		y.line("\nsocket:")
		y.comment("  ", s.socketNote())
		y.line("  group: docker")
	}
	return y.String()
}

// profileNote says where a profile is.
func (s *Survey) profileNote(name string) string {
	for _, p := range s.AWS.Profiles {
		if p.Name == name {
			return "In ~" + p.User + "/.aws."
		}
	}
	return "It is asked for above, and was not found on this host."
}

// commonProfile is the profile of all entries; empty if they differ.
func commonProfile(all []entry) string {
	for _, e := range all {
		if e.profile != all[0].profile {
			return ""
		}
	}
	return all[0].profile
}

// origin says where an entry comes from.
func (e entry) origin() string {
	var parts []string
	if len(e.at) > 0 {
		parts = append(parts, "From "+places(e.at)+".")
	}
	if e.note != "" {
		parts = append(parts, e.note)
	}
	switch {
	case len(e.regions) > 0 && len(e.accounts) == 0:
		parts = append(parts, "Without account: the identity's own.")
	case len(e.accounts) > 1 && len(e.regions) > 1:
		parts = append(parts, "One token a region opens all accounts that the identity may use.")
	case len(e.accounts) > 1:
		parts = append(parts, "One token opens all accounts that the identity may use.")
	}
	return strings.Join(parts, " ")
}

// places names a few of many.
func places(all []Place) string {
	const most = 4
	var names []string
	for _, p := range all {
		names = append(names, p.String())
	}
	if len(names) > most {
		names = append(names[:most-1], fmt.Sprintf("%d more", len(names)-most+1))
	}
	return enumerate(names)
}

// enumerate is "a, b and c".
func enumerate(names []string) string {
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}

func oneOrMore(key string, values []string, form func(string) string) string {
	if len(values) == 1 {
		return key + ": " + form(values[0])
	}
	var all []string
	for _, v := range values {
		all = append(all, form(v))
	}
	return key + "s: [" + strings.Join(all, ", ") + "]"
}

func plain(s string) string { return s }

// plainScalar is a text that YAML takes for nothing but a text.
var plainScalar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return strconv.Quote(s)
	}
	if !plainScalar.MatchString(s) {
		return strconv.Quote(s)
	}
	return s
}

// targetName is what the configuration accepts as a name of a target.
var targetName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// targets writes where logins go.
func (s *Survey) targets(y *yaml) {
	if s.engineToAsk() {
		y.comment("  ", s.engineNote())
		y.line("  - type: engine")
	}
	switch {
	case s.Own:
		y.comment("  ", "~/.docker/config.json names the credential helper; no token is in it.")
		y.line("  - type: docker-config\n    delivery: helper")
	case s.Service.Homes:
		y.comment("  ", "Their config.json name the credential helper; no token is in them.")
		for _, a := range s.pullers() {
			y.line("  - type: docker-config")
			if targetName.MatchString(a.Name) && a.Name != "engine" {
				y.line("    name: %s", scalar(a.Name))
			}
			y.line("    user: %s\n    delivery: helper", scalar(a.Name))
		}
	}
}

// engineToAsk reports whether there is an engine for the daemon. The host's
// service always asks: an engine may be installed later, and is waited for.
func (s *Survey) engineToAsk() bool {
	return !s.Own || s.Me != nil && s.Me.Docker || slices.ContainsFunc(s.Engines, func(e Engine) bool { return !e.local() })
}

func (s *Survey) engineNote() string {
	at := slices.IndexFunc(s.Engines, Engine.local)
	switch {
	case s.Own:
		return "Checks each login through the Docker Engine that your docker uses."
	case at < 0:
		return "Checks each login through the Docker Engine. None was found; it is waited for."
	case s.Engines[at].Down:
		return "Checks each login through the Docker Engine, which does not run now and is waited for."
	}
	return "Checks each login through the Docker Engine."
}

// pullers are the accounts whose docker has to find the logins. Root is one of
// many only where something of its own says that it pulls.
func (s *Survey) pullers() []Account {
	var all []Account
	for _, a := range s.Accounts {
		if a.Name != "root" || len(s.Accounts) == 1 || a.Agent != "" || s.uses(a.Name) {
			all = append(all, a)
		}
	}
	return all
}

// uses reports whether an account logs in, or has something from a login.
func (s *Survey) uses(name string) bool {
	return slices.ContainsFunc(s.Mentions, func(m Mention) bool { return m.User == name }) ||
		slices.ContainsFunc(s.Habits, func(h Habit) bool { return h.User == name }) ||
		slices.ContainsFunc(slices.Concat(s.Old.Stores, s.Old.Entries), func(p Place) bool { return ownerOf(p) == name })
}

// socketNote says whom the socket's group is for.
func (s *Survey) socketNote() string {
	var names []string
	for _, a := range s.Accounts {
		if a.Docker && a.Name != "root" {
			names = append(names, a.Name)
		}
	}
	who := "nobody but root now"
	if len(names) > 0 {
		who = enumerate(names)
	}
	return "Its members get logins through the credential helper: " + who + "."
}
