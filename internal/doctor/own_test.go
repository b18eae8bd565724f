package doctor

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
)

// TestDockerOfAnAccountBesideTheDaemon: the daemon is asked for a login only to compare one, and
// not again once it has refused.
func TestDockerOfAnAccountBesideTheDaemon(t *testing.T) {
	hosts := []string{"a.example", "b.example"}
	entry := base64.StdEncoding.EncodeToString([]byte("AWS:token"))
	entries := `{"auths":{"a.example":{"auth":"` + entry + `"},"b.example":{"auth":"` + entry + `"}}}`
	held := func(secret string) func() (login.Login, error) {
		return func() (login.Login, error) {
			return login.Token{Username: "AWS", Secret: login.NewSecret(secret)}.For("a.example"), nil
		}
	}
	tests := []struct {
		name, file, variable string
		uid                  int
		credential           func() (login.Login, error)
		unsent, unasked      string // a part; empty for nothing
		asked                int    // for a login
	}{
		{name: "the helper", file: `{"credsStore":"ecr-refreshd"}`, uid: 1000},
		{name: "no login", uid: 1000, unsent: "sends no login", unasked: "find the login"},
		{name: "no login of root's", unasked: "find the login"},
		{name: "the token", file: entries, credential: held("token"), asked: 2, unasked: `auths["a.example"] decides`},
		{name: "an old one", file: entries, credential: held("newer"), asked: 1, unsent: "another token", unasked: "decides"},
		{name: "may not know", file: entries, credential: func() (login.Login, error) { return login.Login{}, errors.New("refused") }, asked: 1, unasked: "decides"},
		{name: "a login of its own", file: `{"credsStore":"ecr-refreshd"}`, variable: `{"auths":{"b.example":{"auth":"dTpw"}}}`, unasked: "DOCKER_AUTH_CONFIG"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			environment := map[string]string{"PATH": "/bin", "DOCKER_AUTH_CONFIG": tt.variable}
			a := osuser.Account{Name: "ci", UID: tt.uid, Home: "/nowhere"}
			own := Own{a, clientview.Eye{Account: a, Getenv: func(name string) string { return environment[name] },
				Stat: func(path string) (fs.FileInfo, error) {
					if strings.HasSuffix(path, "-ecr-refreshd") {
						return os.Stat("/bin/sh")
					}
					return nil, fs.ErrNotExist
				},
				Read: func(string) ([]byte, error) {
					if tt.file == "" {
						return nil, fs.ErrNotExist
					}
					return []byte(tt.file), nil
				}}}
			asked := 0
			unsent := own.Unsent(t.Context(), hosts, func(context.Context, string, time.Duration) (login.Login, error) { asked++; return tt.credential() })
			for _, got := range []struct {
				check *Check
				want  string
			}{{unsent, tt.unsent}, {own.Unasked(t.Context(), hosts), tt.unasked}} {
				if (got.check == nil) != (got.want == "") || got.check != nil && !strings.Contains(got.check.Text, got.want) {
					t.Errorf("got %+v, want %q", got.check, got.want)
				}
			}
			if asked != tt.asked {
				t.Errorf("asked for %d logins, want %d", asked, tt.asked)
			}
		})
	}
}
