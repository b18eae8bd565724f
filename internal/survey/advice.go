package survey

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxFindings is how many findings of one kind are told one by one.
const maxFindings = 12

// found tells what was found, for people.
func (s *Survey) found() []Finding {
	var all []Finding
	tell := func(what string, texts []string) {
		more := len(texts) - maxFindings
		for _, t := range texts[:min(len(texts), maxFindings)] {
			all = append(all, Finding{what, t})
		}
		if more > 0 {
			all = append(all, Finding{what, fmt.Sprintf("and %d more", more)})
		}
	}
	tell("aws", s.identitiesFound())
	tell("engine", s.enginesFound())
	tell("registry", s.registriesFound())
	tell("login", s.habitsFound())
	for _, p := range s.Old.Stores {
		all = append(all, Finding{"ecr-login", "for all hosts, in " + p.String()})
	}
	for _, p := range s.Old.Entries {
		all = append(all, Finding{"ecr-login", "for single hosts, in " + p.String()})
	}
	var accounts []string
	for _, a := range s.pullers() {
		if s.Own {
			break // who asks knows
		}
		accounts = append(accounts, a.describe())
	}
	tell("account", accounts)
	return all
}

func (s *Survey) identitiesFound() []string {
	var all []string
	if i := s.AWS.Instance; i != nil {
		switch {
		case i.Err != nil:
			all = append(all, fmt.Sprintf("an EC2 instance, of which no more is known: %v", i.Err))
		case i.Role == "":
			all = append(all, fmt.Sprintf("an EC2 instance of account %s in %s, without a role", i.Account, i.Region))
		default:
			all = append(all, fmt.Sprintf("the instance role %s, account %s, in %s", i.Role, i.Account, i.Region))
		}
	}
	names := make(map[string][]string)
	for _, p := range s.AWS.Profiles {
		names[p.User] = append(names[p.User], p.Name)
	}
	for _, user := range sorted(names) {
		word := "profile"
		if len(names[user]) > 1 {
			word = "profiles"
		}
		all = append(all, fmt.Sprintf("%s %s in ~%s/.aws", word, enumerate(names[user]), user))
	}
	if len(s.AWS.Variables) > 0 {
		all = append(all, enumerate(s.AWS.Variables)+" in the environment")
	}
	if s.Service.Keys {
		all = append(all, "credentials in a drop-in of the service")
	}
	if len(all) == 0 {
		all = append(all, "no credentials")
	}
	return all
}

func (s *Survey) enginesFound() []string {
	var all []string
	for _, e := range s.Engines {
		text := e.Host
		switch {
		case e.Context != "":
			text = fmt.Sprintf("%s, the docker context %s of %s", e.Host, e.Context, e.User)
			if !s.Own {
				text += "; to have logins checked there, add - {type: engine, host: ...}"
			}
		case e.Down:
			text += ", which does not run"
		}
		all = append(all, text)
	}
	return all
}

func (s *Survey) registriesFound() []string {
	at := make(map[string][]Place)
	var order []string
	for _, m := range s.Mentions {
		host := m.Registry.Host()
		if at[host] == nil {
			order = append(order, host)
		}
		at[host] = append(at[host], m.At)
	}
	for i, host := range order {
		order[i] = host + ", in " + places(at[host])
	}
	return order
}

func (s *Survey) habitsFound() []string {
	var all []string
	for _, h := range s.Habits {
		text := h.At.String()
		if h.Kind == Timer {
			text = h.Unit
		}
		if h.Script != "" {
			text += ", by " + h.Script
		}
		if h.User != "" {
			text += ", as " + h.User
		}
		var where []string
		for _, c := range h.Commands {
			for _, t := range c.describe() {
				if !slices.Contains(where, t) {
					where = append(where, t)
				}
			}
		}
		all = append(all, text+": "+strings.Join(where, ", "))
	}
	return all
}

// describe says where a command logs in to.
func (c Command) describe() []string {
	suffix := ""
	if c.Profile != "" {
		suffix = " (profile " + c.Profile + ")"
	}
	var all []string
	for _, r := range c.Registries {
		all = append(all, r.Host()+suffix)
	}
	switch {
	case len(all) > 0:
	case c.Public:
		all = append(all, "ECR Public"+suffix)
	case c.Region != "":
		all = append(all, "a registry in "+c.Region+suffix)
	default:
		all = append(all, "a registry that cannot be made out"+suffix)
	}
	return all
}

func (a Account) describe() string {
	var parts []string
	if a.Agent != "" {
		parts = append(parts, a.Agent)
	}
	switch {
	case a.Name == "root":
	case a.Docker:
		parts = append(parts, "in the group docker")
	default:
		parts = append(parts, "not in the group docker")
	}
	return strings.Join(append([]string{a.Name}, parts...), ", ")
}

// next tells what is to be done, in the order in which nothing breaks meanwhile.
func (s *Survey) next(all []entry) []Step {
	steps := append(s.credentials(all), s.start())
	if outside := s.outside(); len(outside) > 0 {
		steps = append(steps, Step{"These accounts may neither use the engine nor get logins. Members of docker are as good as root.", outside})
	}
	if users := s.pullers(); !s.Own && !s.Service.Homes && len(users) > 0 {
		command := "sudo ecr-refreshd configure-docker"
		for _, a := range users {
			command += " --user " + a.Name
		}
		steps = append(steps, Step{"Have docker ask the service for logins.", []string{command}})
	}
	for _, h := range s.Habits {
		steps = append(steps, h.end(s.Own))
	}
	return append(steps, s.endOld()...)
}

// start says how the service comes to run with the file.
func (s *Survey) start() Step {
	switch {
	case s.Own:
		return Step{"Read the file. Then start the service, and let it run while you are not logged in; status must show every registry as fresh.",
			[]string{"ecr-refreshd check", "systemctl --user enable --now ecr-refreshd", "loginctl enable-linger", "ecr-refreshd status"}}
	case s.Service.Enabled:
		return Step{"Read the file. Then have the service read it; status must show every registry as fresh.",
			[]string{"ecr-refreshd check", "sudo systemctl reload-or-restart ecr-refreshd", "sudo ecr-refreshd status"}}
	}
	return Step{"Read the file. Then start the service; status must show every registry as fresh.",
		[]string{"ecr-refreshd check", "sudo systemctl enable --now ecr-refreshd", "sudo ecr-refreshd status"}}
}

// outside are the commands for those who pull and may not talk to the daemon.
func (s *Survey) outside() []string {
	var all []string
	for _, a := range s.pullers() {
		switch {
		case s.Own || a.Docker:
		case a.byUnit:
			all = append(all, "sudo usermod -aG docker "+a.Name)
		default: // nothing but what lies in its home says that it should
			all = append(all, "# sudo usermod -aG docker "+a.Name+"   or, for logins only: socket: {allow: {users: ["+a.Name+"], groups: [docker]}}")
		}
	}
	return all
}

// serviceHome is the home of the account that the host's service runs as.
const serviceHome = "/var/lib/ecr-refreshd"

// credentials says how the service gets at what it needs of AWS. It sees no
// environment and no home but its own.
func (s *Survey) credentials(all []entry) []Step {
	i, home := s.AWS.Instance, []string{"sudo install -d -o ecr-refreshd -g ecr-refreshd -m 700 " + serviceHome + " " + serviceHome + "/.aws"}
	named := slices.ContainsFunc(all, func(e entry) bool { return e.profile != "" })
	given := s.Service.Keys || slices.ContainsFunc(s.AWS.Files, func(f SharedFile) bool { return s.Own || f.User == ownUnit })
	why := "No AWS credentials were found. Attach a role to the instance, or write keys to a file."
	if len(s.AWS.Variables) > 0 {
		why = "A service does not see the credentials of this shell's environment. Write them to a file."
	}
	switch {
	case given, !named && i != nil && i.Role != "":
		return nil
	case s.Own:
		return []Step{{why, []string{"aws configure"}}}
	case len(s.AWS.Files) == 0:
		return []Step{{why, append(home, "sudoedit "+serviceHome+"/.aws/credentials", "sudo chown ecr-refreshd: "+serviceHome+"/.aws/credentials")}}
	}
	user := s.identityOf(all)
	copies := "sudo install -o ecr-refreshd -g ecr-refreshd -m 600"
	for _, f := range s.AWS.Files {
		if f.User == user {
			copies += " " + quote(f.Path)
		}
	}
	return []Step{{"The service reads no home but its own. Give it a copy of the AWS files of " + user + ", once you have read them: it runs the programs that they name (credential_process).", append(home, copies+" "+serviceHome+"/.aws/")}}
}

// identityOf gives the account whose AWS files to use: one that has a profile that
// is wanted, else one that logs in today, else the first.
func (s *Survey) identityOf(all []entry) string {
	for _, p := range s.AWS.Profiles {
		if p.Name != "default" && slices.ContainsFunc(all, func(e entry) bool { return e.profile == p.Name }) {
			return p.User
		}
	}
	for _, f := range s.AWS.Files {
		if s.uses(f.User) {
			return f.User
		}
	}
	return s.AWS.Files[0].User
}

// bareWord is what a shell takes as it is; ~ at the beginning is a home.
var bareWord = regexp.MustCompile(`^[\w./@+:~-]+$`)

// quote makes a path one word for a shell.
func quote(path string) string {
	if bareWord.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// end says how to end a habit, as root or, if it is their own, as its user.
func (h Habit) end(own bool) Step {
	step := Step{Why: "End the login of " + h.At.String() + ", which is not needed any more."}
	file := quote(h.At.Path)
	lines := h.lines()
	if h.Script != "" {
		file = quote(h.Script)
	}
	edit := fmt.Sprintf("sudoedit %s   # take out the login, %s", file, lines)
	if own {
		edit = fmt.Sprintf("${EDITOR:-vi} %s   # take out the login, %s", file, lines)
	}
	if h.Script == "" && h.Kind == UserCron {
		edit = fmt.Sprintf("sudo crontab -u %s -e   # take out the login, %s", h.User, lines)
	}
	command := edit
	switch {
	case !h.Alone:
	case h.Kind == SystemCron:
		command = fmt.Sprintf("sudo sed -i '%ds/^/#/' %s", h.At.Line, quote(h.At.Path))
	case h.Kind == UserCron:
		command = fmt.Sprintf("sudo crontab -u %s -e   # take out the login, line %d", h.User, h.At.Line)
	case (h.Kind == Timer || h.Kind == Service) && own:
		command = "systemctl --user disable --now " + h.Unit
	case (h.Kind == Timer || h.Kind == Service) && ownerOf(h.At) != "":
		command = fmt.Sprintf("sudo systemctl --user -M %s@ disable --now %s", h.User, h.Unit)
	case h.Kind == Timer || h.Kind == Service:
		command = "sudo systemctl disable --now " + h.Unit
	case strings.HasPrefix(h.At.Path, "/etc/cron."):
		command = "sudo chmod a-x " + file
	}
	step.Commands = []string{command}
	return step
}

// lines names those of the logins.
func (h Habit) lines() string {
	var all []string
	for _, c := range h.Commands {
		text := fmt.Sprintf("line %d", c.First)
		if c.Last > c.First {
			text = fmt.Sprintf("lines %d to %d", c.First, c.Last)
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return enumerate(all)
}

// endOld says how to end with Amazon's own helper.
func (s *Survey) endOld() []Step {
	var steps []Step
	if len(s.Old.Stores) > 0 {
		step := Step{Why: "Docker asks ecr-login for hosts that are not in the configuration too, as long as it is the credsStore."}
		editor := "sudoedit"
		if s.Own {
			editor = "${EDITOR:-vi}"
		}
		for _, p := range s.Old.Stores {
			step.Commands = append(step.Commands, fmt.Sprintf(`%s %s   # take out "credsStore": "ecr-login"`, editor, quote(p.Path)))
		}
		steps = append(steps, step)
	}
	if len(s.Old.Stores)+len(s.Old.Entries) > 0 && len(s.Old.Remove) > 0 {
		steps = append(steps, Step{"Amazon's helper is not needed any more, unless other hosts are kept with it.", s.Old.Remove})
	}
	return steps
}
