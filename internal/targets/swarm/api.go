package swarm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/targets/engine"

	"github.com/docker/docker/api/types/registry"
)

// sight is what was seen of the swarm at one time.
type sight struct {
	leads    bool // this engine is the leader of the managers
	services []service
}

// service is what counts of one. Its image's host is empty where it has none.
type service struct {
	id, name, host string
	version        uint64    // the store's, of the last change of any kind
	updated        time.Time // that of the last change, by the manager's clock
	job            bool
	progress       string // of its own last update, as the engine has it
	differs        bool   // there is a former specification, and it is another one
}

// moving reports whether the service's own update is not over. One that has stopped
// after a failure goes on with the next update of any kind.
func (s service) moving() bool {
	switch s.progress {
	case "updating", "paused", "rollback_started", "rollback_paused":
		return true
	}
	return false
}

// stopped reports whether the service's own update has stopped after a failure.
func (s service) stopped() bool { return strings.HasSuffix(s.progress, "paused") }

// shown is the service with a name that is fit to show: it is a text of the engine.
func (s service) shown(c *engine.Connection) service {
	s.name = c.Clean(s.name)
	return s
}

// full is a service with its specification as the engine writes it, which is sent back so.
type full struct {
	service
	spec json.RawMessage
}

// UnmarshalJSON takes of the engine's answer what counts.
func (f *full) UnmarshalJSON(data []byte) error {
	var answer struct {
		ID        string
		Version   struct{ Index uint64 }
		UpdatedAt time.Time
		Spec      json.RawMessage
		// A service that was never updated has none.
		PreviousSpec json.RawMessage
		UpdateStatus struct{ State string }
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	var spec struct {
		Name         string
		Mode         struct{ ReplicatedJob, GlobalJob *struct{} }
		TaskTemplate struct {
			ContainerSpec struct{ Image string }
		}
	}
	if err := json.Unmarshal(answer.Spec, &spec); err != nil {
		return fmt.Errorf("service %q: %w", answer.ID, err)
	}
	host, _, found := strings.Cut(spec.TaskTemplate.ContainerSpec.Image, "/")
	if !found {
		host = ""
	}
	f.service = service{id: answer.ID, name: spec.Name, host: strings.ToLower(host), version: answer.Version.Index, updated: answer.UpdatedAt,
		job: spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil, progress: answer.UpdateStatus.State,
		differs: len(answer.PreviousSpec) > 0 && !bytes.Equal(answer.Spec, answer.PreviousSpec)}
	f.spec = answer.Spec
	return nil
}

// look asks whether this engine leads the swarm, and for the services.
func (t *Target) look(ctx context.Context, c *engine.Connection) (seen sight, err error) {
	var info struct {
		Swarm struct {
			NodeID, LocalNodeState, Error string
			ControlAvailable              bool
		}
	}
	if err := c.Get(ctx, engine.Request{Op: "ask for the swarm", Path: "/info"}, &info); err != nil {
		return sight{}, err
	}
	if !info.Swarm.ControlAvailable {
		return sight{}, outside(c, info.Swarm.LocalNodeState, info.Swarm.Error)
	}
	var node struct {
		ManagerStatus struct{ Leader bool }
	}
	if err := c.Get(ctx, engine.Request{Op: "ask for the leader of the swarm", Path: "/nodes/" + url.PathEscape(info.Swarm.NodeID)}, &node); err != nil {
		return sight{}, hinted(err, nil)
	}
	seen.leads = node.ManagerStatus.Leader
	list := engine.Request{Op: "list the services of the swarm", Method: http.MethodGet, Path: "/services"}
	if t.labelled {
		list.Query = url.Values{"filters": {`{"label":["` + label + `"]}`}}
	}
	err = c.Do(ctx, list, func(answer io.Reader) error {
		return each(answer, func(f full) { seen.services = append(seen.services, f.service.shown(c)) })
	})
	return seen, hinted(err, nil)
}

// each reads a list, a member at a time: the specifications together may be large.
func each[T any](list io.Reader, use func(T)) error {
	d := json.NewDecoder(list)
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return errors.Join(errors.New("it is no list"), err)
	}
	for d.More() {
		var one T
		if err := d.Decode(&one); err != nil {
			return err
		}
		use(one)
	}
	_, err := d.Token()
	return err
}

func read(ctx context.Context, c *engine.Connection, op, id string) (f full, err error) {
	err = c.Get(ctx, engine.Request{Op: op, Path: "/services/" + url.PathEscape(id)}, &f)
	f.service = f.service.shown(c)
	return f, err
}

// pulling reports whether a task of the service has yet to pull its image.
func pulling(ctx context.Context, c *engine.Connection, s service) (pulls bool, err error) {
	filters, err := json.Marshal(map[string][]string{"service": {s.id}, "desired-state": {"running"}})
	if err != nil {
		return false, err
	}
	list := engine.Request{Op: fmt.Sprintf("list the tasks of service %q", s.name), Method: http.MethodGet, Path: "/tasks", Query: url.Values{"filters": {string(filters)}}}
	err = c.Do(ctx, list, func(answer io.Reader) error {
		return each(answer, func(task struct{ Status struct{ State string } }) {
			pulls = pulls || task.Status.State == "preparing"
		})
	})
	return pulls, hinted(err, nil)
}

// replace updates the service with its own specification. Without a query for registryAuthFrom and
// without one of the registry, nothing but the login is another one.
func replace(ctx context.Context, c *engine.Connection, op string, f full, l login.Login) error {
	return c.Do(ctx, engine.Request{Op: op, Method: http.MethodPost, Path: "/services/" + url.PathEscape(f.id) + "/update",
		Query: url.Values{"version": {strconv.FormatUint(f.version, 10)}}, Body: f.spec,
		Auth: &registry.AuthConfig{Username: l.Username, Password: l.Secret.Reveal(), ServerAddress: l.Host}}, nil)
}

// outOfSequence reports whether the service has changed since it was read. Most engines have
// a status of 500 and only their words for it.
func outOfSequence(a *engine.Answer) bool {
	return a.Status == http.StatusConflict || strings.Contains(a.Text, "update out of sequence")
}
