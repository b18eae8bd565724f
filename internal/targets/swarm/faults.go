package swarm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/shell"
	"ecr-refreshd/internal/targets/engine"
)

// outsideError is the cause of the fault of an engine that manages no swarm.
type outsideError struct{ text string }

func (e *outsideError) Error() string { return e.text }

// outside is the fault of an engine whose node is in this state. why is the engine's own word.
func outside(c *engine.Connection, state, why string) *fault.Error {
	e := &fault.Error{Reason: fault.Engine, Op: "ask for the services of the swarm through the docker engine at " + c.String()}
	switch state {
	case "active":
		e.Err, e.Hint = &outsideError{"it is a worker, and only managers know the services"},
			"leave this target out on workers and have it on every manager (`docker node ls` there), or name a manager with the target's host"
	case "locked":
		e.Err, e.Hint = errors.New("its part of the swarm is locked since it was started"), "`docker swarm unlock` there"
	case "inactive", "":
		e.Err, e.Hint = &outsideError{"it is in no swarm"},
			"`docker swarm init` or `docker swarm join`, or name a manager with the target's host; without a swarm, leave this target out"
	default:
		e.Err, e.Hint = errors.New("its node is "+c.Clean(state)), "`docker info` and `journalctl -u docker` there say more"
		if why != "" {
			e.Err = fmt.Errorf("%w: %s", e.Err, c.Clean(why))
		}
	}
	return e
}

// hinted gives an error of the engine's answer the hint for what managers say.
func hinted(err error, answer *engine.Answer) error {
	var e *fault.Error
	if err == nil || answer == nil && !errors.As(err, &answer) || !errors.As(err, &e) {
		return err
	}
	switch {
	case strings.Contains(answer.Text, "does not have a leader"), strings.Contains(answer.Text, "context deadline exceeded"):
		e.Hint = "more than half of the managers must be online: `docker node ls` on each, and start those that are not"
	case strings.Contains(answer.Text, "not a swarm manager"):
		e.Hint = "have this target on managers only (`docker node ls` there), or name a manager with the target's host"
	case outOfSequence(answer):
		e.Hint = "something updates the service again and again: find it with `docker events --filter type=service`"
	case answer.Status == http.StatusBadRequest:
		e.Hint = "the engine refuses the specification that it has itself: `docker service update SERVICE` will fail too, and says more"
	}
	return e
}

// waiting are the faults of services of one host that are left alone for now, one for each cause.
func waiting(all []wait, host string) (faults fault.List) {
	causes := []struct {
		holds     func(wait) bool
		why, hint string // of one service; NAME is its name
	}{
		{func(w wait) bool { return w.pulls }, "it is pulling its image, and an update would begin that again",
			"nothing: the login is renewed afterwards; `docker service ps NAME` shows it"},
		{func(w wait) bool { return !w.pulls && !w.stopped() }, "its own update or rollback is under way, and an update would take its place",
			"nothing: the login is renewed afterwards; `docker service ps NAME` shows it"},
		{func(w wait) bool { return !w.pulls && w.stopped() }, "its own update or rollback has stopped after a failure, and an update would go on with it",
			"end it: `docker service rollback NAME`, or a good version with `docker service update`; `docker service ps --no-trunc NAME` says why it has stopped"},
	}
	for _, c := range causes {
		var those []service
		for _, w := range all {
			if c.holds(w) {
				those = append(those, w.service)
			}
		}
		if len(those) > 0 {
			faults = append(faults, &fault.Error{Reason: fault.Engine, Op: "renew the login of " + names(those), Hosts: []string{host},
				Err: errors.New(c.why), Hint: strings.ReplaceAll(c.hint, "NAME", shell.Quote(those[0].name))})
		}
	}
	return faults
}

// names are those of some services, for people.
func names(all []service) string {
	const most = 3
	var quoted []string
	for _, s := range all[:min(len(all), most)] {
		quoted = append(quoted, fmt.Sprintf("%q", s.name))
	}
	text := "service " + quoted[0]
	if len(all) > 1 {
		text = "services " + strings.Join(quoted, ", ")
	}
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
