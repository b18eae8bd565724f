package discover

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ecr-refreshd/internal/shell"
)

// maxFindings is how many registries are told one by one.
const maxFindings = 12

// found tells what the draft follows from, save the logins: those are in the steps.
func (h *host) found(wants []*want) []Finding {
	var all []Finding
	tell := func(what, format string, args ...any) { all = append(all, Finding{what, fmt.Sprintf(format, args...)}) }
	switch i := h.instance; {
	case i.err != nil:
		tell("aws", "an EC2 instance, of which no more is known: %v", i.err)
	case i.Role != "":
		tell("aws", "the instance role %s, account %s, in %s", i.Role, i.Account, i.Region)
	case i.is:
		tell("aws", "an EC2 instance of account %s in %s, without a role", i.Account, i.Region)
	}
	for _, f := range h.files {
		var names []string
		for _, p := range h.profiles {
			if p.user == f.user {
				names = append(names, p.name)
			}
		}
		tell("aws", "%s (profiles %s)", f.path, strings.Join(names, ", "))
	}
	if h.keys {
		tell("aws", "credentials in a drop-in of the service")
	}
	if len(all) == 0 {
		tell("aws", "no credentials that a service would see")
	}
	switch {
	case h.engineRuns:
		tell("engine", "unix:///var/run/docker.sock")
	case h.engineInstalled:
		tell("engine", "unix:///var/run/docker.sock, which does not run")
	}
	for i, w := range wants {
		switch {
		case i == maxFindings:
			tell("registry", "and %d more", len(wants)-i)
		case i < maxFindings && len(w.at) > 0 && w.registry.Region != "" && w.registry.Account == "":
			tell("registry", "the identity's own in %s, from %s", w.registry.Region, places(w.at))
		case i < maxFindings && len(w.at) > 0:
			tell("registry", "%s, from %s", w.registry.Host(), places(w.at))
		}
	}
	for _, p := range h.oldStores {
		tell(oldHelper, "for all hosts, in %s", p)
	}
	for _, p := range h.oldEntries {
		tell(oldHelper, "for single hosts, in %s", p)
	}
	all = append(all, h.others...)
	for _, a := range h.pullers() {
		text := a.Name
		switch {
		case h.Own: // the caller knows
			continue
		case a.docker && a.Name != "root":
			text += ", in the group docker"
		case !a.docker:
			text += ", not in the group docker"
		}
		tell("account", "%s", text)
	}
	return all
}

// next tells what is to be done, in the order in which nothing breaks meanwhile.
func (h *host) next(wants []*want) []Step {
	start := Step{"Read the file. Then start the service; status must show every registry as fresh.",
		[]string{"ecr-refreshd check", "sudo systemctl enable --now ecr-refreshd", "sudo ecr-refreshd status"}}
	editor := "sudoedit "
	switch {
	case h.Own:
		editor = "${EDITOR:-vi} "
		start.Commands = []string{"ecr-refreshd check", "systemctl --user enable --now ecr-refreshd",
			"loginctl enable-linger   # it runs while you are not logged in", "ecr-refreshd status"}
	case h.enabled:
		start.Commands[1] = "sudo systemctl reload-or-restart ecr-refreshd"
	}
	steps := append(append(h.credentials(wants), h.unlock()...), start)
	var outside []string
	configure := "sudo ecr-refreshd configure-docker"
	for _, a := range h.pullers() {
		configure += " --user " + a.Name
		if !a.docker { // nothing but what it does itself says that it should
			outside = append(outside, "# sudo usermod -aG docker "+a.Name+"   or, for logins only: socket: {allow: {users: ["+a.Name+"], groups: [docker]}}")
		}
	}
	if !h.Own && len(outside) > 0 {
		steps = append(steps, Step{"These accounts may neither use the engine nor get logins. Members of docker are as good as root.", outside})
	}
	if !h.Own && !h.homes && strings.Contains(configure, "--user") {
		steps = append(steps, Step{"Have docker ask the service for logins.", []string{configure}})
	}
	for _, j := range h.jobs {
		steps = append(steps, j.end(h.Own, editor))
	}
	if len(h.oldStores) > 0 {
		step := Step{Why: "Docker asks ecr-login for hosts that are not in the configuration too, as long as it is the credsStore."}
		for _, p := range h.oldStores {
			step.Commands = append(step.Commands, editor+quote(p.path)+`   # take out "credsStore": "ecr-login"`)
		}
		steps = append(steps, step)
	}
	if len(h.oldStores)+len(h.oldEntries) > 0 {
		steps = append(steps, Step{"Amazon's helper is no longer needed, unless other hosts are kept with it.",
			[]string{"# remove the package amazon-ecr-credential-helper, or the program docker-credential-ecr-login"}})
	}
	return steps
}

// end says how to end a job: with an editor, for what else the job does only a person
// can tell.
func (j job) end(own bool, editor string) Step {
	why := "End the login of " + j.at.String()
	if j.script != "" {
		why += ", by " + j.script
	}
	if j.user != "" {
		why += ", as " + j.user
	}
	var lines []string
	for _, l := range j.logins {
		if text := fmt.Sprintf("line %d", l.line); !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	if l := j.logins[0]; l.region == "" && len(l.registries) == 0 {
		why += "; where it logs in to could not be made out"
	}
	edit, crontab := editor+quote(cmp.Or(j.script, j.at.path)), strings.HasPrefix(j.at.path, "/var/spool/cron/")
	if crontab && j.script == "" {
		edit = "sudo crontab -u " + j.user + " -e"
	}
	whole := ""
	switch {
	case j.unit != "" && own:
		whole = "systemctl --user disable --now " + j.unit
	case j.unit != "" && strings.HasPrefix(j.at.path, "~"):
		whole = "sudo systemctl --user -M " + j.user + "@ disable --now " + j.unit
	case j.unit != "":
		whole = "sudo systemctl disable --now " + j.unit
	case j.script != "" && crontab:
		whole = fmt.Sprintf("sudo crontab -u %s -e, line %d", j.user, j.at.line)
	case j.script != "":
		whole = fmt.Sprintf("%s%s, line %d", editor, quote(j.at.path), j.at.line)
	}
	if whole != "" {
		whole = "; or, if it does nothing else: " + whole
	}
	return Step{why + ".", []string{edit + "   # take out the login, " + strings.Join(lines, ", ") + whole}}
}

// credentials says how the service gets at what it needs of AWS. It sees no
// environment and no home but its own, and the host's runs in /var/lib/ecr-refreshd.
func (h *host) credentials(wants []*want) []Step {
	named := func(name string) bool {
		return slices.ContainsFunc(wants, func(w *want) bool { return w.profile == name })
	}
	given := h.keys || slices.ContainsFunc(h.files, func(f sharedFile) bool { return h.Own || f.user == ownName })
	const none = "The service finds no AWS credentials: it sees neither this shell's environment nor a home but its own. Attach a role to the instance, or write keys to a file."
	const dir, install = "/var/lib/ecr-refreshd/.aws", "sudo install -o ecr-refreshd -g ecr-refreshd "
	home := install + "-m 700 -d /var/lib/ecr-refreshd " + dir
	switch {
	case given, h.instance.Role != "" && !slices.ContainsFunc(wants, func(w *want) bool { return w.profile != "" }):
		return nil
	case h.Own:
		return []Step{{none, []string{"aws configure"}}}
	case len(h.files) == 0:
		return []Step{{none, []string{home, "sudoedit " + dir + "/credentials", "sudo chown ecr-refreshd: " + dir + "/credentials"}}}
	}
	// Of the account that has a profile that is wanted, else of one that logs in, else of the first.
	user := h.files[0].user
	if at := slices.IndexFunc(h.files, func(f sharedFile) bool { return h.uses(f.user) }); at >= 0 {
		user = h.files[at].user
	}
	if at := slices.IndexFunc(h.profiles, func(p profile) bool { return p.name != "default" && named(p.name) }); at >= 0 {
		user = h.profiles[at].user
	}
	copies := install + "-m 600"
	for _, f := range h.files {
		if f.user == user {
			copies += " " + quote(f.path)
		}
	}
	return []Step{{"The service reads no home but its own. Give it a copy of the AWS files of " + user +
		", once you have read them: it runs the programs that they name (credential_process).", []string{home, copies + " " + dir + "/"}}}
}

// quote makes a path one word for a shell; ~NAME at the beginning is a home.
func quote(path string) string {
	if home, rest, ok := strings.Cut(path, "/"); ok && rest != "" && aHome.MatchString(home) {
		return home + "/" + shell.Quote(rest)
	}
	return shell.Quote(path)
}

var aHome = regexp.MustCompile(`^~[\w.-]*$`)
