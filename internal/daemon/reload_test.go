package daemon

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/status"
)

// fetch is a Source.
type fetch func(context.Context) (login.Token, error)

func (f fetch) Fetch(ctx context.Context) (login.Token, error) { return f(ctx) }

// fetchedBy makes a generation of one grant whose token comes from source.
func fetchedBy(t *testing.T, d *Daemon, source fetch) *generation {
	t.Helper()
	g, err := d.build(parse(t, "registries: [{region: us-east-1}]\ntargets: [{type: docker-config, path: FILE}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := g.renewers[0]
	g.renewers[0] = renew.New(renew.Config{Grant: r.Grant, Hosts: r.Hosts, Source: source, FetchLimit: time.Minute,
		Policy: renew.Policy{At: 50, Initial: time.Hour, Max: time.Hour}, Observer: g.board})
	return g
}

func TestAReloadWaitsForTheFormerGenerationToEnd(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	core, logs := observer.New(zap.WarnLevel)
	d, err := New(parse(t, registries), Options{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	asked, began := make(chan struct{}), make(chan struct{})
	failed := &fault.Error{Reason: fault.Network, Op: "ask", Err: errors.New("no")}
	d.current = fetchedBy(t, d, func(ctx context.Context) (login.Token, error) {
		close(asked)
		<-ctx.Done()
		// It takes a moment to end. The next one must not begin meanwhile.
		select {
		case <-began:
			t.Error("the next generation began before the former had ended")
		case <-time.After(200 * time.Millisecond):
		}
		return login.Token{}, failed
	})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	<-asked
	r := reload{fetchedBy(t, d, func(context.Context) (login.Token, error) {
		close(began)
		return login.Token{}, failed
	}), make(chan struct{})}
	d.reloads <- r
	<-r.done
	<-began
	if n := logs.FilterMessageSnippet("slow to end").Len(); n != 0 {
		t.Error("it is called slow, though it has ended in time")
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

// A target is another one when its name stays and what it leads to changes.
func TestAReloadForgetsHowAChangedTargetStood(t *testing.T) {
	silent := filepath.Join(t.TempDir(), "engine.sock") // where the new target hangs
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const one = "registries: [{region: us-east-1}]\ntargets: [{name: place, type: "
	d := start(t, one+"docker-config, path: FILE}]\n", Options{})
	state := func() status.State { return d.Status().Registries[0].Targets[0].State }
	await(t, "the first target", func() bool { return state() == status.OK })
	if err := d.Reload(t.Context(), parse(t, one+"engine, host: 'unix://"+silent+"'}]\n")); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != status.Pending {
		t.Errorf("the new target is %s though nothing was stored there yet", got)
	}
}

func TestTheSameTargetIsWrittenAlike(t *testing.T) {
	const base = "registries: [{region: us-east-1}]\ntargets: [{name: place, type: docker-config, path: /a/config.json}]\n"
	tests := []struct {
		name, targets string
		want          bool
	}{
		{"as before", "{name: place, type: docker-config, path: /a/config.json}", true},
		{"as before, after another", "{type: engine}, {name: place, type: docker-config, path: /a/config.json}", true},
		{"another path", "{name: place, type: docker-config, path: /b/config.json}", false},
		{"another delivery", "{name: place, type: docker-config, path: /a/config.json, delivery: helper}", false},
		{"another kind", "{name: place, type: engine}", false},
		{"gone", "{name: other, type: docker-config, path: /a/config.json}", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := generationOf(t, "registries: [{region: us-east-1}]\ntargets: ["+tt.targets+"]\n")
			if got := next.sameTarget(generationOf(t, base))("place"); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
