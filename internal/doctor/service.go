package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/status"
)

// configuration reads the file, and prepares what this process can do with it.
func (w *walk) configuration(ctx context.Context) {
	c, err := w.Load(ctx)
	var problems config.Problems
	var refused *filetrust.Error
	switch {
	case errors.As(err, &problems):
		for i, p := range problems {
			if i == maxProblems {
				w.add(Check{Stop: "configuration", Mark: Fault, Text: fmt.Sprintf("and %d more", len(problems)-i), Command: "ecr-refreshd check"})
				break
			}
			w.add(Check{Stop: "configuration", On: p.File, Mark: Fault, Text: p.Path + ": " + p.Text,
				Where: fmt.Sprintf("%s:%d", p.File, p.Line), Cure: "correct the line; then see `ecr-refreshd check`"})
		}
		return
	case errors.As(err, &refused):
		w.add(Check{Stop: "configuration", Mark: Fault, Text: refused.Error(), Command: asRoot(refused.Fix)})
		return
	case err != nil:
		w.add(Check{Stop: "configuration", Mark: Fault, Text: err.Error(),
			Cure: "name the file with --config or $ECR_REFRESHD_CONFIG; ecr-refreshd init drafts one"})
		return
	}
	work, err := w.Open(c)
	if err != nil {
		w.add(Check{Stop: "configuration", On: c.Path, Mark: Fault, Text: err.Error(), Cure: "correct the file; then see `ecr-refreshd check`"})
		return
	}
	w.config, w.work = c, work
	hosts := 0
	for _, g := range c.Grants {
		hosts += len(g.Hosts)
	}
	w.add(Check{Stop: "configuration", On: c.Path, Mark: OK,
		Text: count(hosts, "registry", "registries") + ", " + count(len(c.Grants), "token", "tokens") + ", " + count(len(c.Targets), "target", "targets")})
	for _, warning := range work.Warnings() {
		what, cure, _ := strings.Cut(warning, ": ")
		w.add(Check{Stop: "environment", Mark: Fault, Text: what, Cure: cure + "; for the service: sudo systemctl edit ecr-refreshd"})
	}
	for _, warning := range c.Warnings() {
		w.add(Check{Stop: "configuration", On: c.Path, Mark: Note, Text: warning.Path + ": " + warning.Text, Where: fmt.Sprintf("%s:%d", warning.File, warning.Line)})
	}
}

// maxProblems is how many problems of a file are shown one by one.
const maxProblems = 5

// service finds the daemon, or says why there is none.
func (w *walk) service(ctx context.Context) {
	unit := w.System.unit(ctx)
	daemon := w.Daemon(ctx, w.config)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	report, err := daemon.Status(ctx)
	if err != nil {
		w.add(unit.absent(err))
		return
	}
	w.daemon, w.report = daemon, &report
	w.add(Check{Stop: "daemon", Mark: OK, Text: fmt.Sprintf("version %s, since %s, with %s", report.Version, at(report.StartedAt), report.Config.Path)})
	for _, c := range unit.checks() {
		w.add(c)
	}
	if p := report.Socket.Error; p != nil {
		w.add(problem("daemon", report.Socket.Path, *p))
	}
	if p := report.HTTP.Problem(); p != nil {
		w.add(problem("daemon", "http.listen", *p))
	}
	if p := report.Config.Error; p != nil {
		c := problem("daemon", report.Config.Path, *p)
		c.Text = "the daemon has refused the file as it is now: " + c.Text
		w.add(c)
	} else if changed, err := os.Stat(report.Config.Path); err == nil && w.config != nil && changed.ModTime().After(report.Config.LoadedAt) {
		w.add(Check{Stop: "daemon", On: report.Config.Path, Mark: Fault, Text: fmt.Sprintf("the file was changed at %s, after the daemon read it", at(changed.ModTime())),
			Cure: "have the daemon read it, by a SIGHUP", Command: unit.run("reload")})
	}
}

// problem makes a check of what the status says.
func problem(stop, on string, p status.Problem) Check {
	return Check{Stop: stop, On: on, Mark: Fault, Text: p.Message, Cure: p.Hint}
}

// at is a time for people, in this host's zone.
func at(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// Unit is how the service manager knows the daemon. The zero one stands for a host
// without a service manager, or without the unit.
type Unit struct {
	Known   bool   // the unit is installed
	State   string // such as active, failed, inactive
	Result  string // why it failed, such as exit-code
	Enabled bool   // it is started at boot
	Timer   bool   // the timer for ecr-refreshd once is active
}

// absent is the check for a daemon that does not answer because of err.
func (u Unit) absent(err error) Check {
	c := Check{Stop: "daemon", Mark: Fault, Text: err.Error()}
	switch {
	case errors.Is(err, api.ErrRefused), !errors.Is(err, api.ErrNoDaemon):
		c.Cure = "run ecr-refreshd doctor as root, or see: systemctl status ecr-refreshd"
	case u.Timer:
		return Check{Stop: "daemon", Mark: Note, Text: "none runs; ecr-refreshd-once.timer renews instead, which leaves the credential helper without answers"}
	case u.State == "failed":
		c.Text = fmt.Sprintf("ecr-refreshd.service has failed (%s)", u.Result)
		c.Cure, c.Command = "the journal says why: journalctl -u ecr-refreshd -n 20", u.run("restart")
	case u.Known && u.Enabled:
		c.Text = "ecr-refreshd.service is " + u.State
		c.Command = u.run("restart")
	case u.Known:
		c.Text = "ecr-refreshd.service is " + u.State + " and not started at boot"
		c.Command = u.run("enable --now")
	default:
		c.Cure = "start one: ecr-refreshd run; or install the service, see docs/install.md"
	}
	return c
}

// run is the command for the unit; empty where there is none.
func (u Unit) run(verb string) string {
	if !u.Known {
		return ""
	}
	return asRoot("systemctl " + verb + " ecr-refreshd")
}

// checks are about a daemon that runs.
func (u Unit) checks() []Check {
	if u.Known && u.State == "active" && !u.Enabled {
		return []Check{{Stop: "daemon", Mark: Note, Text: "ecr-refreshd.service is not started at boot", Command: u.run("enable")}}
	}
	return nil
}
