package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/osuser"
)

// program writes a shell script that stands for a credential helper.
func program(t *testing.T, script string) string {
	path := filepath.Join(t.TempDir(), "docker-credential-ecr-refreshd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAHelperIsBoundedAndHasNoTerminal(t *testing.T) {
	self := osuser.Account{Name: "me", UID: os.Geteuid()}
	t.Setenv("ECR_REFRESHD_ON_ERROR", "not-found")
	tests := []struct{ name, script, want string }{
		{"an error is wanted", `[ -z "$ECR_REFRESHD_ON_ERROR" ] || exit 1; echo '{}'`, ""},
		{"a login", `echo '{"Username":"AWS","Secret":"x"}'`, ""},
		{"no login", `printf 'no daemon\033[31m'; exit 1`, "no daemon"},
		{"no end", `exec yes`, "prints more than a login"},
		{"something else", `echo hello`, "is not a login"},
		// The sixth field of stat is the session's id.
		{"its own session", `read -r _ _ _ _ _ session _ </proc/self/stat; [ "$session" = $$ ] || exit 1; echo '{}'`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := runHelper(t.Context(), self, self.UID, program(t, tt.script), "registry.example")
			if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) || strings.Contains(got, "\033") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAnAccountThatHangsHidesNoOther(t *testing.T) {
	accounts := []osuser.Account{{Name: "stuck", UID: 4000001, Home: "/nowhere/stuck"}, {Name: "fine", UID: 4000002, Home: "/nowhere/fine"}}
	release := make(chan struct{})
	defer close(release)
	w := &walk{held: []held{{host: "registry.example"}}, Road: &Road{User: "all", Clients: Clients{
		Accounts: func(context.Context) ([]osuser.Account, error) { return accounts, nil },
		Eye: func(a osuser.Account) clientview.Eye {
			return clientview.Eye{Account: a, Getenv: func(string) string { return "" }, Stat: func(string) (os.FileInfo, error) { return nil, os.ErrNotExist }, Read: func(string) ([]byte, error) {
				if a.Name == "stuck" {
					<-release
				}
				return nil, os.ErrNotExist
			}}
		},
	}}}
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	checks := w.clients(ctx)
	if len(checks) != 2 || checks[0].On != "stuck" || checks[0].Mark != Fault || !strings.Contains(checks[1].On, "fine") {
		t.Errorf("got %+v, want a fault of the account stuck and the client of the other", checks)
	}
	if ctx.Err() != nil {
		t.Errorf("the whole of %s was used", span.Round(time.Second))
	}
}

func TestOneCureForAFileOfManyClients(t *testing.T) {
	docker := Check{On: "h", Mark: Fault, Text: "docker gives it up", Cure: "correct it"}
	podman, other, ok := docker, docker, docker
	podman.Text, other.Cure, ok.Mark = "podman gives it up", "delete it", OK
	if !same(podman, docker) || same(other, docker) || same(ok, docker) {
		t.Error("want the same for the same cure of a fault, and for nothing else")
	}
}

func TestTheHelperRunsOnceForAnAccount(t *testing.T) {
	runs := 0
	content := []byte(`{"credHelpers":{"registry.example":"ecr-refreshd"}}`)
	w := &walk{held: []held{{host: "registry.example"}}, Road: &Road{User: "me", Clients: Clients{
		Accounts: func(context.Context) ([]osuser.Account, error) {
			return []osuser.Account{{Name: "me", Home: "/home/me"}}, nil
		},
		Eye: func(a osuser.Account) clientview.Eye {
			return clientview.Eye{Account: a, Getenv: func(name string) string { return map[string]string{"PATH": "/usr/bin"}[name] },
				Read: func(string) ([]byte, error) { return content, nil }, Stat: func(string) (os.FileInfo, error) { return os.Stat("/bin/sh") }}
		},
		Helper: func(context.Context, osuser.Account, string, string) error { runs++; return nil },
	}}}
	if checks := w.clients(t.Context()); runs != 1 {
		t.Errorf("%d runs, want 1; %+v", runs, checks)
	}
}
