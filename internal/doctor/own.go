package doctor

import (
	"context"
	"fmt"
	"os"
	"time"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
)

// Own is docker of one account, for the commands that change or show something else.
type Own struct {
	Account osuser.Account
	Eye     clientview.Eye
}

// OwnOf is docker of the account name, or for an empty one of the caller. The caller's has
// this process's environment.
func OwnOf(ctx context.Context, name string) (Own, error) {
	ctx, cancel := context.WithTimeout(ctx, glancing)
	defer cancel()
	uid := os.Geteuid()
	a := &osuser.Account{UID: uid, Name: fmt.Sprintf("user id %d", uid), Home: os.Getenv("HOME")}
	own := name == ""
	var err error
	if own {
		name, err = osuser.Name(ctx, uid)
	}
	if err == nil {
		var found *osuser.Account
		if found, err = osuser.Lookup(ctx, name); err == nil {
			a = found
		}
	}
	if err != nil && (!own || a.Home == "") {
		return Own{}, err
	}
	return Own{*a, Host(name).Eye(*a)}, nil
}

// glancing bounds how long a command that is about something else looks at docker.
const glancing = 2 * time.Second

// Unasked says why docker would not ask our credential helper for one of the hosts, and how to
// fix that; nil where it would. Whether the helper is installed is not looked at.
func (o Own) Unasked(ctx context.Context, hosts []string) *Check {
	return o.glance(ctx, hosts, func(ctx context.Context, l *looker, a clientview.Answer) Check {
		c := Check{Mark: OK}
		switch {
		case a.Ours():
			return c
		case a.Place != clientview.Place{}:
			c = Check{Mark: Fault, Text: a.Place.String() + " decides"}
		case a.Fault != nil:
			c = Check{Mark: Fault, Text: a.Fault.Error()}
		}
		if a.Fault != nil {
			c.Cure, c.Command = l.remedy(a)
		} else {
			c.Cure, c.Command = l.renewed(a)
		}
		return c
	})
}

// Unsent says why docker would not send the daemon's login of one of the hosts; nil where it
// would, or sends one of its own. The daemon is asked for a login only to compare it with one that is
// in a file. That root has none at all is usual.
func (o Own) Unsent(ctx context.Context, hosts []string, credential func(ctx context.Context, host string, wait time.Duration) (login.Login, error)) *Check {
	return o.glance(ctx, hosts, func(ctx context.Context, l *looker, a clientview.Answer) Check {
		if a.NoLogin() && o.Account.UID == 0 {
			return Check{Mark: OK}
		}
		h := held{host: a.Host}
		if a.Fault == nil && a.Helper == "" && a.Username == "AWS" && credential != nil {
			var err error
			if h.login, err = credential(ctx, a.Host, 0); err != nil {
				credential = nil // nor will it for another host
			}
		}
		return l.judge(ctx, a, h)
	})
}

// glance returns the first fault, within a moment.
func (o Own) glance(ctx context.Context, hosts []string, judge func(context.Context, *looker, clientview.Answer) Check) *Check {
	ctx, cancel := context.WithTimeout(ctx, glancing)
	defer cancel()
	checks := within(ctx, "client", func(ctx context.Context) []Check {
		l := &looker{walk: &walk{Road: &Road{}}, account: o.Account, client: clientview.Docker, eye: o.Eye, asked: map[string]bool{}}
		for _, host := range hosts[:min(len(hosts), maxAsked)] {
			if ctx.Err() != nil {
				break
			}
			if c := judge(ctx, l, o.Eye.Look(clientview.Docker, host)); c.Mark == Fault {
				c.On = host
				return []Check{c}
			}
		}
		return nil
	})
	if len(checks) == 0 {
		return nil
	}
	return &checks[0]
}
