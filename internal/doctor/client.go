package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/shell"
)

// Clients are the accounts of this host and how to look as one of them.
type Clients struct {
	// Accounts are those whose clients are looked at, if they have anything to do with
	// the hosts.
	Accounts func(ctx context.Context) ([]osuser.Account, error)
	// Eye looks as the account does, with its rights.
	Eye func(a osuser.Account) clientview.Eye
	// Installed is where our credential helper is on this host; empty where that is not known.
	Installed string
	// Helper runs our credential helper at path as the account, and returns why it has no login
	// for the host.
	Helper func(ctx context.Context, a osuser.Account, path, host string) error
}

// maxAccounts bounds how many accounts are looked at.
const maxAccounts = 50

// clients tells what each account's clients would send to each host.
func (w *walk) clients(ctx context.Context) (checks []Check) {
	if w.Clients.Accounts == nil || len(w.held) == 0 {
		return nil
	}
	var helper []Check
	accounts, err := w.Clients.Accounts(ctx)
	if err != nil {
		checks = append(checks, Check{Stop: "client", On: w.User, Mark: Fault, Text: err.Error(), Cure: "write the name of an account of this host: getent passwd"})
	}
	if n := len(accounts) - maxAccounts; n > 0 {
		checks = append(checks, w.more(accounts[maxAccounts:], ""))
		accounts = accounts[:maxAccounts]
	}
	// What was found by then is shown, whatever the rest would take.
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-reserve))
		defer cancel()
	}
	found := false
	for i, a := range accounts {
		if ctx.Err() != nil {
			checks = append(checks, w.more(accounts[i:], ": there is no time left"))
			break
		}
		limited, cancel := context.WithTimeout(ctx, looking)
		all := within(limited, "client", func(ctx context.Context) []Check { return w.clientsOf(ctx, a) })
		cancel()
		for _, c := range all {
			found = true
			if c.On == "" {
				c.On = a.Name // the account that hangs
			}
			if c.Stop == "helper" {
				helper = append(helper, c)
			} else {
				checks = append(checks, c)
			}
		}
	}
	if !found && ctx.Err() == nil {
		checks = append(checks, nobody(accounts))
	}
	return append(checks, helper...)
}

// more are accounts that were not looked at.
func (w *walk) more(accounts []osuser.Account, why string) Check {
	return Check{Stop: "client", Mark: Left, Text: count(len(accounts), "more account", "more accounts") + why,
		Cure: "each can be looked at alone, with --user; the first is:", Command: asRoot("ecr-refreshd doctor --user " + shell.Quote(accounts[0].Name))}
}

// nobody is the note that no account uses our logins: those that have a client could.
func nobody(accounts []osuser.Account) Check {
	c := Check{Stop: "client", Mark: Note, Text: "no account has a client that would send a login to these hosts", Cure: "have docker ask the daemon, for each account that pulls"}
	command := "ecr-refreshd configure-docker"
	others := slices.DeleteFunc(slices.Clone(accounts), func(a osuser.Account) bool { return a.UID == os.Geteuid() })
	for _, a := range others[:min(len(others), maxProblems)] {
		command += " --user " + shell.Quote(a.Name)
	}
	if os.Geteuid() == 0 {
		command = asRoot(command)
	}
	c.Command = command
	return c
}

const (
	// looking bounds what one account is waited for, so that its files keep none of the
	// others from being looked at. It is longer than a helper may take.
	looking = 3500 * time.Millisecond
	// reserve is what is left of the walk when the accounts have had theirs.
	reserve = 500 * time.Millisecond
)

// clientsOf looks at the clients of one account.
func (w *walk) clientsOf(ctx context.Context, a osuser.Account) (checks []Check) {
	asked := map[string]bool{}
	var docker []Check // what all clients read that have no file of their own
	for _, c := range clientview.Clients() {
		l := &looker{walk: w, account: a, client: c, eye: w.Clients.Eye(a), asked: asked}
		if ctx.Err() != nil || w.Client != string(c) && (w.Client != "" || !l.installed()) {
			continue
		}
		l.look(ctx)
		if c == clientview.Docker {
			docker = l.seen
		} else if slices.EqualFunc(l.seen, docker, same) {
			continue
		}
		checks = append(append(checks, l.grouped()...), l.helper...)
	}
	return checks
}

// same reports whether two clients have the same to tell: of a file that both read, each
// says in words of its own what is wrong, and one cure is enough.
func same(a, b Check) bool {
	if a.Mark == Fault && a.Cure+a.Command != "" {
		a.Text, b.Text = "", ""
	}
	return a == b
}

// looker looks at one client of one account.
type looker struct {
	*walk
	account osuser.Account
	client  clientview.Client
	eye     clientview.Eye
	seen    []Check // On is the host
	helper  []Check
	asked   map[string]bool // the helpers that have been run for the account, by path

	dockerFile string             // see dockers
	contents   map[string]content // see contentOf
}

// installed reports whether the account has the client; docker's file is read by many.
func (l *looker) installed() bool {
	switch l.client {
	case clientview.Docker:
		return true
	case clientview.DockerSnap:
		_, err := l.eye.Stat(filepath.Join(l.account.Home, "snap/docker"))
		return err == nil
	}
	return slices.ContainsFunc(filepath.SplitList(l.eye.Getenv("PATH")), func(dir string) bool {
		_, err := l.eye.Stat(filepath.Join(dir, string(l.client)))
		return err == nil
	})
}

func (l *looker) look(ctx context.Context) {
	for _, h := range l.held[:min(len(l.held), maxAsked)] {
		if ctx.Err() != nil {
			return
		}
		a := l.eye.Look(l.client, h.host)
		if l.foreign(a) {
			continue
		}
		l.seen = append(l.seen, l.judge(ctx, a, h))
		for _, n := range a.Notes {
			if !slices.ContainsFunc(l.seen, func(c Check) bool { return c.Text == n }) {
				l.seen = append(l.seen, Check{On: h.host, Mark: Note, Text: n, Where: a.Place.String()})
			}
		}
	}
}

// foreign reports whether a client has nothing to do with the hosts: it has no login, and
// nobody has asked for one.
func (l *looker) foreign(a clientview.Answer) bool {
	asked := l.User != "" && (l.Client != "" || l.client == clientview.Docker) || l.isTarget(a.File)
	return !asked && a.NoLogin()
}

// isTarget reports whether the configuration keeps the file.
func (l *looker) isTarget(file string) bool {
	return l.config != nil && slices.ContainsFunc(l.config.Targets, func(t config.Target) bool {
		place, _, _ := strings.Cut(t.Options.Place(), " ") // what follows is how it is written
		if rest, inHome := strings.CutPrefix(place, "~"); inHome {
			name, path, _ := strings.Cut(rest, "/")
			if name != l.account.Name && (name != "" || l.account.UID != os.Geteuid()) {
				return false
			}
			place = filepath.Join(l.account.Home, path)
		}
		return place == file
	})
}

// judge compares what the client would send with the login that there is.
func (l *looker) judge(ctx context.Context, a clientview.Answer, h held) Check {
	c := Check{On: h.host, Mark: Fault, Where: a.Place.String()}
	switch {
	case a.Fault != nil:
		c.Text = a.Fault.Error()
		c.Cure, c.Command = l.remedy(a)
		if a.NoLogin() {
			c.Text = "sends no login: " + c.Text
		}
	case a.Ours():
		c.Mark, c.Text = OK, "asks the daemon, by "+a.Program.Path
		l.ask(ctx, a, h)
	case a.Helper != "":
		c.Mark, c.Text = Note, fmt.Sprintf("asks the credential helper %q", a.Helper)
		c.Command = l.configure(a)
	case !h.login.Secret.IsZero() && a.Sends(h.login.Username, h.login.Secret):
		c.Mark, c.Text = OK, "sends the token, as it is in the file"
	case a.Username != "AWS":
		c.Mark, c.Text = Note, fmt.Sprintf("sends a login of its own, as %q", a.Username)
	case h.login.Secret.IsZero():
		c.Mark, c.Text = Note, "sends a token from the file; whether it is a valid one cannot be told without one to compare"
	default:
		c.Text = "sends another token than the one that is held now, which may have expired"
		c.Cure, c.Command = l.renewed(a)
	}
	return c
}

// ask runs the helper once for each account, as it does: one without a daemon takes seconds.
func (l *looker) ask(ctx context.Context, a clientview.Answer, h held) {
	if l.asked[a.Program.Path] || l.Clients.Helper == nil {
		return
	}
	l.asked[a.Program.Path] = true
	c := Check{Stop: "helper", On: l.account.Name, Mark: OK, Text: a.Program.Path + " gets the login from the daemon"}
	if err := l.Clients.Helper(ctx, l.account, a.Program.Path, h.host); err != nil {
		c.Mark, c.Text = Fault, err.Error()
		c.Text, c.Cure, _ = strings.Cut(c.Text, "; ") // the helper says what to do behind its first semicolon
	}
	l.helper = append(l.helper, c)
}

// grouped makes one check of all hosts with which it is the same.
func (l *looker) grouped() (all []Check) {
	type key struct {
		mark                       Mark
		text, cure, command, where string
	}
	hosts := map[key][]string{}
	var firsts []Check
	keyOf := func(c Check) key {
		return key{c.Mark, strings.ReplaceAll(c.Text, c.On, "HOST"), strings.ReplaceAll(c.Cure, c.On, "HOST"), strings.ReplaceAll(c.Command, c.On, "HOST"), strings.ReplaceAll(withoutLine(c.Where), c.On, "HOST")}
	}
	for _, c := range l.seen {
		k := keyOf(c)
		if len(hosts[k]) == 0 {
			firsts = append(firsts, c)
		}
		hosts[k] = append(hosts[k], c.On)
	}
	for _, c := range firsts {
		k := keyOf(c)
		if len(hosts[k]) > 1 {
			c.Text, c.Cure = k.text, k.cure
		}
		c.Stop, c.On = "client", fmt.Sprintf("%s of %s for %s", l.client, l.account.Name, few(hosts[k]))
		all = append(all, c)
	}
	return all
}

// withoutLine is a place without its line, in which entries of different hosts differ.
func withoutLine(where string) string {
	file, rest, ok := strings.Cut(where, ":")
	if _, key, second := strings.Cut(rest, ": "); ok && second {
		return file + ": " + key
	}
	return where
}
