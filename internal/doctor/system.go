package doctor

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// System is this host, as far as the service manager and others that log in are concerned.
type System struct {
	// Show returns what `systemctl show` prints of a unit; nil for a host without it.
	Show func(ctx context.Context, unit string) (string, error)
	// Refreshers finds what else logs in to ECR on this host.
	Refreshers func(ctx context.Context) ([]Refresher, error)
}

// Refresher is a cron line, unit or script that logs in today.
type Refresher struct{ Text, Where, Cure string }

// Systemctl is System.Show on a host with systemd.
func Systemctl(ctx context.Context, unit string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", "show", "--property=LoadState,ActiveState,UnitFileState,Result", unit)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	return string(out), err
}

func (s System) unit(ctx context.Context) (u Unit) {
	if s.Show == nil {
		return u
	}
	service := s.show(ctx, "ecr-refreshd.service")
	u.Known = service["LoadState"] == "loaded"
	u.State, u.Result = service["ActiveState"], service["Result"]
	u.Enabled = service["UnitFileState"] == "enabled"
	u.Timer = s.show(ctx, "ecr-refreshd-once.timer")["ActiveState"] == "active"
	return u
}

// stopped reports whether a unit that is installed does not run.
func (s System) stopped(ctx context.Context, unit string) bool {
	if s.Show == nil {
		return false
	}
	values := s.show(ctx, unit)
	return values["LoadState"] == "loaded" && (values["ActiveState"] == "inactive" || values["ActiveState"] == "failed")
}

func (s System) show(ctx context.Context, unit string) map[string]string {
	values := map[string]string{}
	text, err := s.Show(ctx, unit)
	if err != nil {
		return values // no systemd here, or none that runs
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	return values
}

// refreshers tells of what else logs in: the last one to write wins, so that their tokens
// come and go in our place.
func (s System) refreshers(ctx context.Context) (checks []Check) {
	if s.Refreshers == nil {
		return nil
	}
	all, err := s.Refreshers(ctx)
	if err != nil {
		return []Check{{Stop: "others", Mark: Left, Text: err.Error()}}
	}
	for _, r := range all {
		checks = append(checks, Check{Stop: "others", Mark: Note, Text: r.Text, Where: r.Where, Cure: r.Cure})
	}
	if len(all) == 0 {
		checks = append(checks, Check{Stop: "others", Mark: OK, Text: "nothing else on this host logs in to ECR"})
	}
	return checks
}
