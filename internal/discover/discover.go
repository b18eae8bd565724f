// Package discover finds out what on a host has to do with Amazon ECR: AWS
// identities, the Docker Engine, registries in the config.json files of its
// accounts, cron lines, units and scripts that log in today. From that it drafts a
// first configuration and says what a person does next.
//
// It changes nothing, keeps no secret of what it reads, and asks no other network
// address than the instance metadata service, and that on EC2 only. What the keys
// of the configuration mean is in config; looking at a running daemon is not here.
package discover

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ecr-refreshd/internal/registry"
)

// Options says where to look, and for whom.
type Options struct {
	Root   string                  // the directory that stands for /; empty means / itself
	Getenv func(key string) string // the environment of the caller
	UID    int                     // the caller
	Own    bool                    // for a service of their own, not for the host's
}

// Draft is what follows from what was found. Nothing in it is secret,
// and all of it can be shown on a terminal.
type Draft struct {
	Config []byte // of a configuration file
	Found  []Finding
	Unread []Finding // What is a path, Text says why
	Next   []Step
}

// Finding is one thing that was found.
type Finding struct{ What, Text string }

// Step is something for a person to do.
type Step struct {
	Why      string
	Commands []string // to be typed as they are; a # begins what cannot be
}

// Look looks at the host, and decides what the configuration should be and what
// comes after it. Only ctx ends it early; its error is that of ctx.
func Look(ctx context.Context, o Options) (Draft, error) {
	h, err := look(ctx, o)
	if err != nil {
		return Draft{}, err
	}
	return h.draft(), nil
}

func (h *host) draft() Draft {
	wants := h.wants()
	d := Draft{Config: []byte(h.config(wants)), Found: h.found(wants), Unread: h.unread, Next: h.next(wants)}
	for _, all := range [][]Finding{d.Found, d.Unread} {
		for i, f := range all {
			all[i] = Finding{printable(f.What), printable(f.Text)}
		}
	}
	for n, s := range d.Next {
		d.Next[n].Why = printable(s.Why)
		for i, c := range s.Commands {
			s.Commands[i] = printable(c)
		}
	}
	return d
}

// host is what was found, and what it takes to find it.
type host struct {
	Options
	accounts []account // of passwd; for a user's own service that user alone
	mentions []mention
	jobs     []job
	unread   []Finding
	counts   map[string]int // of mentions and jobs, by whose they are

	files    []sharedFile
	profiles []profile
	instance instance

	engineInstalled, engineRuns bool
	ownEngine                   bool // docker of the service's user has one of its own

	others []Finding // files and engines of other clients
	locked []string  // accounts that cannot read their config.json

	oldStores, oldEntries []place // config.json files that name Amazon's helper, for all hosts and for single ones

	// Of the host's own service: enabled at boot; a drop-in lets it write in other
	// accounts' homes; a drop-in gives it AWS credentials.
	enabled, homes, keys bool
}

// mention is a registry, and where it stands.
type mention struct {
	registry registry.Registry
	at       place
	user     string // whose file it is; empty for the list of the engine's images
}

// place is a file, and a line in it if line is not 0. A file in a home begins
// with ~NAME/.
type place struct {
	path string
	line int
}

func (p place) String() string {
	if p.line == 0 {
		return printable(p.path)
	}
	return fmt.Sprintf("%s:%d", printable(p.path), p.line)
}

// printable escapes what a terminal would not show as it is: names on a host may
// have been made to deceive who reads them.
func printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case !unicode.IsGraphic(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// look finds everything. A home on a file system that hangs must not take the
// caller with it: the goroutine lasts until the kernel lets go of it.
func look(ctx context.Context, o Options) (*host, error) {
	done := make(chan *host, 1)
	go func() {
		h := &host{Options: o, counts: make(map[string]int)}
		system := h.system()
		h.findAccounts()
		h.findEngine()
		for i := range h.accounts {
			h.lookAtHome(&h.accounts[i])
		}
		system.cron()
		if !o.Own {
			system.units("/etc/systemd/system")
			system.units("/usr/local/lib/systemd/system")
			system.ownUnit()
			system.images()
		}
		system.scripts()
		h.findInstance(ctx)
		h.distrust()
		done <- h
	}()
	select {
	case h := <-done:
		return h, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("look at this host: %w", ctx.Err())
	}
}

// lookAtHome looks at what one account has in its home.
func (h *host) lookAtHome(a *account) {
	t, err := h.home(a)
	h.missed("~"+a.Name, err)
	if t != nil {
		defer t.close()
		t.dockerConfig()
		t.clients()
		t.awsProfiles()
		t.startFiles()
		t.units("/.config/systemd/user")
	}
}

const (
	maxMentions = 200 // registries of one account or file: more are no configuration that a person would keep
	maxJobs     = 20  // of one account or file: the rest of the host is to be seen too
)

func (h *host) mention(r registry.Registry, at place, user string) {
	m := mention{r, at, user}
	if slices.Contains(h.mentions, m) || !h.oneMore("registries", at.path, maxMentions) {
		return
	}
	h.mentions = append(h.mentions, m)
}

// oneMore counts one more of what is whose, and reports whether there may be as many.
func (h *host) oneMore(what, whose string, most int) bool {
	h.counts[what+whose]++
	if h.counts[what+whose] > most {
		h.missed(whose, fmt.Errorf("has more than %d %s, of which the others were left out", most, what))
		return false
	}
	return true
}
