// Package swarm is the target that keeps the login inside running Swarm services
// fresh. A service keeps the login that it was created or updated with, and a node
// pulls the image with nothing else: without this target, a task that moves to a node
// without the image after 12 hours does not start.
//
// The login is replaced by an update of the service with the same specification and a
// new X-Registry-Auth. That restarts no task that has its image. What else an update does,
// decides which services are left alone:
//
//   - A service whose own update or rollback is under way or has stopped: an update would
//     take its place, and would go on with one that has stopped after a failure.
//   - A service that is pulling its image: the task would be replaced, and the pull begin again.
//   - A job: every update runs it again.
//   - For an hour, a service that somebody has updated: the specification before an update
//     is what `docker service rollback` goes back to, and after ours it is the same one.
//
// Tasks that have failed are replaced by any update, and the engine notes with the service how
// that goes, or even takes our update back. That counts as undone after an hour only.
//
// Each manager may run this program. The leader's renews the services. The others' step in
// for a service whose login is about to end, which the leader's would have replaced long before.
package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/targets/engine"
)

const (
	label = "ecr-refreshd.update=true"
	// tries is how often a service is read again that others update at the same time.
	tries = 5
	// answerLimit bounds an answer of the engine, in bytes. A service has two specifications
	// of some kB.
	answerLimit = 64 << 20
	// uses is for engine.NewConnector.
	uses = "GET /info, /nodes, /services, /tasks, /events and POST /services/ID/update (docker-socket-proxy: PING=1, INFO=1, NODES=1, SERVICES=1, TASKS=1, EVENTS=1, POST=1)"
)

// Target keeps the logins in the services of one swarm. It is safe for concurrent use.
type Target struct {
	*engine.Connector
	labelled bool
	watch    watch
	sights   sights

	mu   sync.Mutex
	held map[string]held // by the service's id; only what this process has put there
}

// held is a login that a service has.
type held struct {
	secret  login.Secret
	expires time.Time
	at      time.Time // of the update that brought it
	version uint64    // of the service, after that
}

var (
	_ renew.Target    = (*Target)(nil)
	_ renew.Watcher   = (*Target)(nil)
	_ renew.Forgetter = (*Target)(nil)
	_ renew.Warner    = (*Target)(nil)
)

func newTarget(s settings) *Target {
	return &Target{Connector: engine.NewConnector(s.Engine, uses, answerLimit), labelled: s.Labelled, held: map[string]held{}}
}

// String names the swarm by the engine through which it is reached.
func (t *Target) String() string { return "swarm services through the " + t.Connector.String() }

// Store puts the logins into the services that do not hold them yet. A service that is left
// alone because of its own update is a fault of its host, and so is one that could not be updated.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	if len(logins) == 0 {
		return nil
	}
	t.Mask(logins)
	c, err := t.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer t.sights.clear()
	seen, err := t.look(ctx, c)
	if err != nil {
		return err
	}
	t.prune(seen)
	var faults fault.List
	busy := map[string][]wait{} // by host
	for _, s := range seen.services {
		l, ours := loginOf(s, logins)
		if !ours {
			continue
		}
		err := t.renew(ctx, c, seen, s, l)
		if w, waits := err.(wait); waits {
			busy[l.Host] = append(busy[l.Host], w)
		} else if err != nil {
			e := fault.All(err)[0]
			if answer := (*engine.Answer)(nil); !errors.As(err, &answer) { // no engine: it is the same for the others
				return e
			}
			e.Hosts = []string{l.Host}
			faults = append(faults, e)
		}
	}
	for _, l := range logins {
		if all := busy[l.Host]; len(all) > 0 {
			faults = append(faults, waiting(all, l.Host)...)
		}
	}
	return faults.Err()
}

// Stale reports whether Store would update a service.
func (t *Target) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	seen, err := t.sights.get(ctx, func(ctx context.Context) (sight, error) {
		c, err := t.Connect(ctx)
		if err != nil {
			return sight{}, err
		}
		defer c.Close()
		return t.look(ctx, c)
	})
	if err != nil {
		return false, err
	}
	all := slices.DeleteFunc(slices.Clone(seen.services), func(s service) bool {
		l, ours := loginOf(s, logins)
		return !ours || t.state(seen, s, l, time.Now()) != due
	})
	if len(all) == 0 {
		return false, nil
	}
	c, err := t.Connect(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	for _, s := range all {
		if pulls, err := pulling(ctx, c, s); err != nil || !pulls {
			return err == nil, err
		}
	}
	return false, nil
}

// Forget cannot take a login back: the services need it when a task moves, and an update
// without one keeps the former.
func (t *Target) Forget(ctx context.Context, ours func(host string) bool) error {
	c, err := t.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	seen, err := t.look(ctx, c)
	if out := (*outsideError)(nil); errors.As(err, &out) {
		return nil // there are no services
	}
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(seen.services, func(s service) bool { return s.job || !ours(s.host) })
	if len(all) == 0 {
		return nil
	}
	return &fault.Error{Reason: fault.Local, Op: "take the logins out of " + names(all),
		Err: errors.New("a service keeps its login, which ends within 12 hours; nobody renews it any more"),
		Hint: "nothing, if the services are to go or another manager renews them; else, within these hours, `docker login` and " +
			"`docker service update --with-registry-auth SERVICE`, which brings a login of your own"}
}

// state is what is to be done about a service.
type state int

const (
	settled state = iota // nothing for now
	due                  // it is to have the login
	busy                 // so it is, once its own update is over
)

// state decides by what was seen of the service, and by what this process has put there.
func (t *Target) state(seen sight, s service, l login.Login, now time.Time) state {
	t.mu.Lock()
	h, ours := t.held[s.id]
	t.mu.Unlock()
	now = now.Round(0) // what ExpiresAt has, too, counts while the machine is suspended
	life := l.ExpiresAt.Sub(l.ObtainedAt)
	// An hour, of twelve. It is time enough to notice that a new version is bad, and
	// the same for others to see that nobody renews a login.
	spell := life / 12
	// Its own progress, with the specification that it had, is that of our update.
	aftermath := s.progress != "" && !s.differs && now.Sub(h.at) < spell
	ours = ours && (h.version == s.version || aftermath)
	until := s.updated.Add(life)
	if ours {
		until = h.expires
	}
	switch {
	case s.job, ours && h.secret.Equal(l.Secret):
		return settled
	case !seen.leads && until.Sub(now) > spell:
		return settled
	case s.differs && s.moving():
		return busy
	case s.differs && !s.updated.After(now) && now.Sub(s.updated) < spell:
		return settled
	}
	return due
}

// wait is why a service is left alone for now.
type wait struct {
	service
	pulls bool // its image; otherwise it is being updated
}

func (w wait) Error() string { return w.name + " is left alone" }

// renew updates the service that was seen as s, if it is to be.
func (t *Target) renew(ctx context.Context, c *engine.Connection, seen sight, s service, l login.Login) error {
	for try := 1; ; try++ {
		switch t.state(seen, s, l, time.Now()) {
		case settled:
			return nil
		case busy:
			return wait{s, false}
		}
		if pulls, err := pulling(ctx, c, s); err != nil {
			return err
		} else if pulls {
			return wait{s, true}
		}
		now, err := t.update(ctx, c, s, l)
		var answer *engine.Answer
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &answer):
			return err
		case answer.Status == http.StatusNotFound:
			return nil // it has been removed
		case try == tries || !outOfSequence(answer):
			return hinted(err, answer)
		}
		if s = now; s.host != l.Host {
			return nil // another image by now
		}
	}
}

// update reads the service and, if it is still as s, updates it. It returns the service as it
// was read last. One that is not as s is an *engine.Answer, as it is when it changes in between.
func (t *Target) update(ctx context.Context, c *engine.Connection, s service, l login.Login) (service, error) {
	op := fmt.Sprintf("renew the login of service %q", s.name)
	before, err := read(ctx, c, op, s.id)
	if err != nil {
		return s, err
	}
	if before.version != s.version {
		return before.service, &fault.Error{Reason: fault.Engine, Op: op, Err: &engine.Answer{Status: http.StatusConflict, Text: "it has changed meanwhile"}}
	}
	if err := replace(ctx, c, op, before, l); err != nil {
		if answer := (*engine.Answer)(nil); errors.As(err, &answer) && outOfSequence(answer) {
			if again, failed := read(ctx, c, op, s.id); failed == nil {
				return again.service, err
			}
		}
		return s, err
	}
	after, err := read(ctx, c, op, s.id)
	if err != nil {
		return s, err
	}
	// An update of somebody else that came right after ours has another specification, or a
	// former one that is not ours.
	if string(after.spec) == string(before.spec) && !after.differs {
		t.mu.Lock()
		t.held[s.id] = held{l.Secret, l.ExpiresAt, time.Now().Round(0), after.version}
		t.mu.Unlock()
	}
	return after.service, nil
}

// prune forgets services that are gone.
func (t *Target) prune(seen sight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.held {
		if !slices.ContainsFunc(seen.services, func(s service) bool { return s.id == id }) {
			delete(t.held, id)
		}
	}
}

func loginOf(s service, logins []login.Login) (login.Login, bool) {
	i := slices.IndexFunc(logins, func(l login.Login) bool { return strings.EqualFold(l.Host, s.host) })
	if i < 0 || s.host == "" {
		return login.Login{}, false
	}
	return logins[i], true
}
