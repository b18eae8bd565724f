package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// holder is a target that can only store and forget, and notes what it is asked.
type holder struct {
	place string
	asked *[]string
	err   error
}

func (h holder) Place() string                              { return h.place }
func (h holder) New() (config.Destination, error)           { return h, nil }
func (h holder) String() string                             { return h.place }
func (h holder) Store(context.Context, []login.Login) error { return nil }
func (h holder) note(what string, logins []login.Login) error {
	for _, l := range logins {
		*h.asked = append(*h.asked, what+" "+l.Host)
	}
	return h.err
}

func (h holder) Forget(_ context.Context, ours func(string) bool) error {
	for _, host := range []string{hostUS, hostEU, "other.example.com"} {
		if ours(host) {
			*h.asked = append(*h.asked, "forget "+host)
		}
	}
	return h.err
}

type remover struct{ holder }

func (r remover) New() (config.Destination, error) { return r, nil }
func (r remover) Remove(_ context.Context, logins []login.Login) error {
	return r.note("remove", logins)
}

type releaser struct{ remover }

func (r releaser) New() (config.Destination, error) { return r, nil }
func (r releaser) Release(_ context.Context, logins []login.Login) error {
	return r.note("release", logins)
}

func TestAReloadTakesLoginsOutOfEveryKind(t *testing.T) {
	const both, one = "registries: [{region: us-east-1}, {region: eu-west-1}]", "registries: [{region: us-east-1}]"
	trouble := &fault.Error{Reason: fault.Local, Op: "forget", Err: errors.New("this kind cannot"), Hint: "delete the file"}
	forgets := func(h holder) config.Options { return h }
	removes := func(h holder) config.Options { return remover{h} }
	releases := func(h holder) config.Options { return releaser{remover{h}} }
	tests := []struct {
		name     string
		old, new func(holder) config.Options
		place    string // of the next configuration, the former one's is p
		yaml     string // of the next configuration
		err      error
		want     []string
	}{
		{"released", releases, releases, "p", one, nil, []string{"release " + hostEU}},
		{"removed", removes, removes, "p", one, nil, []string{"remove " + hostEU}},
		{"forgotten", forgets, forgets, "p", one, nil, []string{"forget " + hostEU}},
		{"cannot be forgotten", forgets, forgets, "p", one, trouble, []string{"forget " + hostEU}},
		{"all of a place that is left", releases, releases, "q", both, nil, []string{"release " + hostEU, "release " + hostUS}},
		{"nothing where another kind has the place", releases, forgets, "p", both, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			build := func(yaml, place string, kind func(holder) config.Options) *generation {
				c, err := config.Parse("test.yaml", []byte(yaml), config.Kinds{{Type: "fake", Default: true,
					Read: func(*config.Block) config.Options { return kind(holder{place, &asked, tt.err}) }}})
				if err != nil {
					t.Fatal(err)
				}
				d, err := New(c, Options{})
				if err != nil {
					t.Fatal(err)
				}
				return d.generation()
			}
			old, next := build(both, "p", tt.old), build(tt.yaml, tt.place, tt.new)
			for _, r := range old.renewers {
				r.Adopt(login.Token{Account: "111122223333", Secret: login.NewSecret("s"), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}, false)
			}
			faults := old.retire(t.Context(), next)
			if slices.Sort(asked); !slices.Equal(asked, tt.want) {
				t.Errorf("asked %q, want %q", asked, tt.want)
			}
			if (tt.err != nil) != (len(faults) == 1 && faults[0] == tt.err) {
				t.Errorf("faults %v, want %v", faults, tt.err)
			}
		})
	}
}

func TestAReloadTakesTheLoginsOfFormerRegistriesOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	d := start(t, strings.ReplaceAll(registries, "FILE", path), Options{})
	has := func(host string) bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(text), host)
	}
	await(t, "both logins", func() bool { return has(hostUS) && has(hostEU) })
	if err := d.Reload(t.Context(), parse(t, "registries: [{region: us-east-1}]\ntargets: [{type: docker-config, path: '"+path+"'}]\n")); err != nil {
		t.Fatal(err)
	}
	await(t, "one to go", func() bool { return has(hostUS) && !has(hostEU) })
}
