package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/status"
)

// systemctl prints what `systemctl show` does.
func systemctl(service, timer string) func(context.Context, string) (string, error) {
	return func(_ context.Context, unit string) (string, error) {
		if strings.HasSuffix(unit, ".timer") {
			return timer, nil
		}
		return service, nil
	}
}

func TestAMissingDaemonIsExplainedByItsUnit(t *testing.T) {
	away := fmt.Errorf("ask the daemon: %w", api.ErrNoDaemon)
	tests := []struct {
		name, service, timer string
		err                  error
		mark                 Mark
		cure                 string // a part
	}{
		{"failed", "LoadState=loaded\nActiveState=failed\nUnitFileState=enabled\nResult=exit-code\n", "", away, Fault, "journalctl -u ecr-refreshd"},
		{"stopped", "LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n", "", away, Fault, "systemctl restart ecr-refreshd"},
		{"not enabled", "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n", "", away, Fault, "systemctl enable --now"},
		{"not installed", "LoadState=not-found\nActiveState=inactive\n", "", away, Fault, "ecr-refreshd run"},
		{"a timer instead", "LoadState=not-found\n", "ActiveState=active\n", away, Note, ""},
		{"refused", "LoadState=loaded\nActiveState=active\n", "", fmt.Errorf("ask: %w", api.ErrRefused), Fault, "as root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := System{Show: systemctl(tt.service, tt.timer)}.unit(t.Context())
			if c := u.absent(tt.err); c.Mark != tt.mark || !strings.Contains(c.Cure+c.Command, tt.cure) {
				t.Errorf("got %+v, want %s with %q", c, tt.mark, tt.cure)
			}
		})
	}
	none := System{Show: func(context.Context, string) (string, error) { return "", errors.New("no systemd") }}
	if u := none.unit(t.Context()); u != (Unit{}) {
		t.Errorf("got %+v without systemd", u)
	}
}

func TestARowOfTheStatusIsAToken(t *testing.T) {
	now := time.Now()
	soon := now.Add(90 * time.Minute)
	trouble := &status.Problem{Message: "it failed", Hint: "do this"}
	tests := []struct {
		row  status.Registry
		mark Mark
		want string
	}{
		{status.Registry{State: status.Pending}, Note, "first one"},
		{status.Registry{State: status.Pending, Error: trouble}, Fault, "none yet: it failed"},
		{status.Registry{State: status.Fresh, ExpiresAt: &soon, Identity: "profile ci"}, OK, "by profile ci; good for 1h 30m"},
		{status.Registry{State: status.Fresh, ExpiresAt: &soon, Identity: "default", Source: "the instance role", SessionEndsAt: &soon}, OK,
			"by default, with credentials from the instance role; the AWS session ends in 1h 30m; good for 1h 30m"},
		{status.Registry{State: status.Failing, ExpiresAt: &soon, Error: trouble}, Fault, "cannot be renewed, good for 1h 30m more: it failed"},
		{status.Registry{State: status.Expired, ExpiresAt: &now, Error: trouble}, Fault, "has expired: it failed"},
	}
	for _, tt := range tests {
		c := rowCheck(tt.row, now)
		if c.Mark != tt.mark || !strings.Contains(c.Text, tt.want) || c.Mark == Fault && c.Cure != "do this" {
			t.Errorf("%s: got %+v, want %s: %q", tt.row.State, c, tt.mark, tt.want)
		}
	}
}

// work has a token for every host and a target that fails.
type work struct{ token, target error }

func (w work) Token(_ context.Context, host string) (login.Login, error) {
	return login.Token{Username: "AWS", Secret: login.NewSecret("token")}.For(host), w.token
}
func (w work) Probe(context.Context, string, []login.Login) error { return w.target }
func (w work) Target(name string) string                          { return name }
func (w work) Warning(context.Context, string) string             { return "" }
func (w work) Warnings() []string                                 { return nil }

// nowhere are a target's options.
type nowhere struct{ config.Options }

func (nowhere) Place() string { return "" }

// silent is a daemon that is not there.
type silent struct{}

func (silent) Status(context.Context) (status.Report, error) { return status.Report{}, api.ErrNoDaemon }
func (silent) Credential(context.Context, string, time.Duration) (login.Login, error) {
	return login.Login{}, api.ErrNoDaemon
}

// TestFaultsOfAWalkWithoutADaemon: a fault does not keep the stops behind it from being seen.
func TestFaultsOfAWalkWithoutADaemon(t *testing.T) {
	c := &config.Config{Path: "c.yaml", Grants: []config.Grant{{Region: "us-east-1", Hosts: []config.Host{{Name: "a.invalid", Targets: []string{"engine"}}}}},
		Targets: []config.Target{{Name: "engine", Type: "engine", Options: nowhere{}}}}
	road := &Road{
		Load: func(context.Context) (*config.Config, error) { return c, nil },
		Open: func(*config.Config) (Work, error) {
			return work{target: &fault.Error{Op: "reach it", Hint: "start it"}}, nil
		},
		Daemon: func(context.Context, *config.Config) Daemon { return silent{} },
		Clients: Clients{
			Accounts: func(context.Context) ([]osuser.Account, error) {
				return []osuser.Account{{Name: "ci", UID: 12345, Home: t.TempDir()}}, nil
			},
			Eye: func(a osuser.Account) clientview.Eye {
				return clientview.Eye{Account: a, Getenv: func(string) string { return "" }, Stat: os.Stat}
			},
		},
		User: "ci",
	}
	checks := road.Walk(t.Context())
	want := map[string]string{"daemon": "ecr-refreshd run", "target": "start it", "client": "configure-docker --user ci", "registry": "getent hosts a.invalid"}
	for stop, cure := range want {
		found := false
		for _, c := range checks {
			found = found || c.Stop == stop && c.Mark == Fault && strings.Contains(c.Cure+c.Command, cure)
		}
		if !found {
			t.Errorf("no fault of %s with the cure %q among %+v", stop, cure, checks)
		}
	}
	if Healthy(checks) {
		t.Error("healthy")
	}
}

// TestAStopThatHangsIsSaid: the walk is over at its end, whatever a file system does.
func TestAStopThatHangsIsSaid(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	started := make(chan struct{})
	go func() { <-started; cancel() }()
	checks := within(ctx, "client", func(context.Context) []Check { close(started); <-release; return nil })
	if len(checks) != 1 || checks[0].Stop != "client" || checks[0].Mark != Fault || checks[0].Cure == "" {
		t.Errorf("got %+v", checks)
	}
}

func TestTheVariablesThatDecideAreNamed(t *testing.T) {
	t.Setenv("AWS_PROFILE", "ci")
	t.Setenv("AWS_DEFAULT_PROFILE", "other")
	t.Setenv("AWS_ENDPOINT_URL", "https://user:hunter2@proxy.example")
	if got, want := asker(login.Identity{}), `default (AWS_PROFILE is "ci", AWS_ENDPOINT_URL is set)`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := asker(login.Identity{Profile: "own"}), "profile own (AWS_ENDPOINT_URL is set)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
