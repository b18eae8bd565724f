package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/status"
)

// tokens finds a login for each host: the daemon's, or one that is fetched for this walk.
func (w *walk) tokens(ctx context.Context) {
	switch {
	case w.report != nil:
		w.tokensOfTheDaemon(ctx)
	case w.config != nil:
		w.tokensOfOurs(ctx)
	default:
		w.add(Check{Stop: "token", Mark: Left, Text: "neither a configuration that can be used nor a daemon"})
		if w.Host != "" {
			w.held = []held{{host: w.Host}}
		}
	}
	if w.Host != "" && !slices.ContainsFunc(w.held, func(h held) bool { return h.host == w.Host }) && (w.report != nil || w.config != nil) {
		w.add(Check{Stop: "token", On: w.Host, Mark: Fault, Text: "not a host of the configuration",
			Cure: "add it to registries in " + w.file() + ", and reload the daemon"})
	}
}

// file is the configuration, where one is known.
func (w *walk) file() string {
	switch {
	case w.config != nil:
		return w.config.Path
	case w.report != nil:
		return w.report.Config.Path
	}
	return "the configuration"
}

func (w *walk) tokensOfTheDaemon(ctx context.Context) {
	now := time.Now()
	for _, r := range w.report.Registries {
		if !w.wanted(r.Host) {
			continue
		}
		h := held{host: r.Host, region: r.Region, public: r.Account == ""}
		for _, t := range r.Targets {
			h.targets = append(h.targets, t.Name)
		}
		if r.State == status.Fresh || r.State == status.Failing {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			// Who may not have a login goes on without.
			h.login, _ = w.daemon.Credential(limited, r.Host, 0)
			cancel()
		}
		w.held = append(w.held, h)
		w.add(rowCheck(r, now))
	}
}

// rowCheck is what a row of the status says of a token.
func rowCheck(r status.Registry, now time.Time) Check {
	c := Check{Stop: "token", On: r.Host, Mark: OK}
	switch {
	case r.State == status.Pending && r.Error == nil:
		c.Mark, c.Text = Note, "the daemon is getting the first one"
	case r.State == status.Fresh:
		c.Text = fmt.Sprintf("by %s%s; good for %s", r.Identity, source(r.Source, r.SessionEndsAt, now), status.Span(r.ExpiresAt.Sub(now)))
	default:
		c.Mark = Fault
		c.Text = map[status.State]string{status.Pending: "none yet", status.Failing: "cannot be renewed", status.Expired: "has expired"}[r.State]
		if r.ExpiresAt != nil && r.State == status.Failing {
			c.Text += ", good for " + status.Span(r.ExpiresAt.Sub(now)) + " more"
		}
		if r.Error != nil {
			c.Text += ": " + r.Error.Message
			c.Cure = r.Error.Hint
		}
		if c.Cure == "" {
			c.Cure, c.Command = "wait, or have the daemon try now", refresh(r.Host)
		}
	}
	return c
}

// fetching bounds what a walk waits for AWS.
const fetching = 4 * time.Second

func (w *walk) tokensOfOurs(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fetching)
	defer cancel()
	results := make([][]Check, len(w.config.Grants))
	found := make([][]held, len(w.config.Grants))
	var all []func()
	for i, g := range w.config.Grants {
		all = append(all, func() { results[i], found[i] = w.fetch(ctx, g) })
	}
	together(all...)
	for i := range results {
		w.add(results[i]...)
		w.held = append(w.held, found[i]...)
	}
}

// fetch gets a token for the hosts of a grant.
func (w *walk) fetch(ctx context.Context, g config.Grant) (checks []Check, all []held) {
	for _, h := range g.Hosts {
		if strings.Contains(h.Name, login.OwnAccount) || w.wanted(h.Name) {
			all = append(all, held{host: h.Name, region: g.Region, public: g.Public, targets: h.Targets})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	l, err := w.work.Token(ctx, all[0].host)
	if err != nil {
		c := Check{Stop: "token", On: names(all), Mark: Fault, Text: err.Error()}
		var e *fault.Error
		if errors.As(err, &e) {
			c.Cure = e.Hint
		}
		return []Check{c}, all
	}
	for i := range all {
		all[i].login = l.Token.For(all[i].host)
		all[i].host = all[i].login.Host
	}
	all = slices.DeleteFunc(all, func(h held) bool { return !w.wanted(h.host) })
	if len(all) == 0 {
		return nil, nil
	}
	return []Check{{Stop: "token", On: names(all), Mark: OK, Text: "fetched for this check by " + asker(g.Identity) + source(l.Token.Source, &l.Token.SessionEndsAt, time.Now())}}, all
}

// asker names an identity, and the variables that decide what is its.
func asker(id login.Identity) string {
	var deciding []string
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if profile := os.Getenv(name); profile != "" && id.Profile == "" {
			deciding = append(deciding, fmt.Sprintf("%s is %q", name, profile))
			break
		}
	}
	// A URL may hold a password.
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_STS"} {
		if os.Getenv(name) != "" && os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true" {
			deciding = append(deciding, name+" is set")
		}
	}
	if len(deciding) == 0 {
		return id.String()
	}
	return id.String() + " (" + strings.Join(deciding, ", ") + ")"
}

// source says where the AWS credentials came from that got a token, and until when they are good.
func source(from string, end *time.Time, now time.Time) (text string) {
	if from != "" {
		text = ", with credentials from " + from
	}
	if end != nil && !end.IsZero() {
		text += "; the AWS session ends in " + status.Span(end.Sub(now))
	}
	return text
}

func names(all []held) string {
	hosts := make([]string, len(all))
	for i, h := range all {
		hosts[i] = h.host
	}
	return few(hosts)
}
