// Package survey finds out what on a host has to do with Amazon ECR: AWS
// identities, Docker Engines, registries in the config.json files of its accounts,
// cron lines, timers and scripts that log in today, agents of build services. From
// that it drafts a first configuration and says what a person does next.
//
// It changes nothing, keeps no secret of what it reads, and asks no other network
// address than the instance metadata service, and that on EC2 only. What the keys
// of the configuration mean is in config; looking at a running daemon is not here.
package survey

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
	Getenv func(key string) string // the environment of who asks
	UID    int                     // who asks
	Own    bool                    // for a service of their own, not for the host's
}

// Survey is what was found. It holds names and places, nothing secret.
type Survey struct {
	Own      bool      // for a user's own service, not for the host's
	Me       *Account  // that user; nil for the host's service, and when nothing names them
	Accounts []Account // those that may pull images, in the order of passwd
	Mentions []Mention
	Habits   []Habit
	AWS      AWS
	Engines  []Engine
	Old      OldHelper
	Service  HostService
	Unread   []Unread
}

// Account is an account of this host that may pull images.
type Account struct {
	Name   string
	Home   string
	Docker bool   // root, or in the group docker
	Agent  string // the build service whose agent it runs, for people; empty for none
	byUnit bool   // that agent is started by the system
	uid    int
	gid    int
}

// Mention is a registry, and where it stands.
type Mention struct {
	Registry registry.Registry
	At       Place
	By       Evidence
	User     string // whose file it is; empty for none
}

// Evidence is how a registry came to be mentioned.
type Evidence int

// The closed list of evidence.
const (
	ByLogin  Evidence = iota // under auths of a config.json
	ByHelper                 // under credHelpers of a config.json, or kept by the ECR helper
	ByImage                  // in the name of an image that the engine has
)

// Place is a file, and a line in it if Line is not 0. A file in a home begins
// with ~NAME/.
type Place struct {
	Path string
	Line int
}

func (p Place) String() string {
	path := p.Path
	if !graphic(path) {
		path = strconv.QuoteToASCII(path)
	}
	if p.Line == 0 {
		return path
	}
	return fmt.Sprintf("%s:%d", path, p.Line)
}

// graphic reports whether a text shows as what it is, on a terminal too.
func graphic(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) })
}

// HostService is what there is of the host's own service.
type HostService struct {
	Enabled bool // at boot
	Homes   bool // a drop-in lets it write in other accounts' homes
	Keys    bool // a drop-in gives it AWS credentials
}

// OldHelper is what there is of Amazon's own credential helper, ecr-login.
type OldHelper struct {
	Remove  []string // the commands that remove the program
	Stores  []Place  // config.json files that name it for all hosts
	Entries []Place  // config.json files that name it for single hosts
}

// Unread is what could not be looked at, and why.
type Unread struct{ Path, Why string }

// Look makes the survey. Only ctx ends it early; its error is that of ctx. What
// cannot be read is in Survey.Unread.
func Look(ctx context.Context, o Options) (*Survey, error) {
	if o.Root == "" {
		o.Root = "/"
	}
	// A home on a file system that hangs must not take the caller with it. The
	// goroutine lasts until the kernel lets go of it.
	done := make(chan *Survey, 1)
	go func() { done <- look(ctx, o) }()
	select {
	case s := <-done:
		return s, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("look at this host: %w", ctx.Err())
	}
}

func look(ctx context.Context, o Options) *Survey {
	l := &looker{Options: o, s: &Survey{Own: o.Own}, mentioned: make(map[Place]int)}
	l.accounts()
	l.engines()
	for i := range l.all {
		l.atHome(&l.all[i])
	}
	l.cron()
	l.units()
	l.scripts()
	l.images()
	l.packages()
	l.identities(ctx)
	l.distrust()
	l.keepWhoPulls()
	return l.s
}

// atHome looks at what one account has in its home.
func (l *looker) atHome(a *Account) {
	if l.Own && (l.s.Me == nil || a.Name != l.s.Me.Name) {
		return
	}
	h, err := l.open(*a)
	if err != nil {
		l.missed("~"+a.Name, err)
		return
	}
	if h == nil {
		return
	}
	defer h.close()
	l.dockerConfig(h)
	l.oldCache(h)
	l.profiles(h)
	l.startFiles(h)
	l.userUnits(h)
	l.runnerIn(h, a)
}

// keepWhoPulls leaves the accounts that may pull images.
func (l *looker) keepWhoPulls() {
	used := make(map[string]bool)
	for _, m := range l.s.Mentions {
		used[m.User] = true
	}
	for _, h := range l.s.Habits {
		used[h.User] = true
	}
	for _, p := range slices.Concat(l.s.Old.Entries, l.s.Old.Stores) {
		used[ownerOf(p)] = true
	}
	for _, a := range l.all {
		if a.Name != ownUnit && (used[a.Name] || a.Docker || a.Agent != "") {
			l.s.Accounts = append(l.s.Accounts, a)
		}
	}
}
