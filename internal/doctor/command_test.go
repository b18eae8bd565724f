package doctor

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/osuser"
)

// another looks at docker of an account that is not the one that runs the test.
func another(name, home string, files map[string]string) *looker {
	a := osuser.Account{Name: name, UID: os.Geteuid() + 1, Home: home}
	return &looker{walk: &walk{Road: &Road{}}, account: a, client: clientview.Docker, eye: clientview.Eye{
		Account: a, Getenv: func(string) string { return "" }, Stat: os.Stat,
		Read: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
	}}
}

func TestCommandsForAnotherAccount(t *testing.T) {
	const host = "registry.example"
	home := t.TempDir()
	file := filepath.Join(home, ".docker/config.json")
	for _, name := range []string{file + ".old", file + ".old1"} { // from before
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ name, user, content, want string }{
		{"no login", "ci", "{}", "sudo ecr-refreshd configure-docker --user ci"},
		{"a name that is a command", "$(id)", "{}", "sudo ecr-refreshd configure-docker --user '$(id)'"},
		{"not JSON", "ci", "{", "sudo -u ci mv -n " + file + " " + file + ".old2 && sudo ecr-refreshd configure-docker --user ci"},
		{"a byte order mark", "ci", "\ufeff{}", `sudo -u ci sed -i '1s/^\xef\xbb\xbf//' ` + file + " && sudo ecr-refreshd configure-docker --user ci"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := another(tt.user, home, map[string]string{file: tt.content})
			if _, command := l.remedy(l.eye.Look(clientview.Docker, host)); command != tt.want {
				t.Errorf("got  %s\nwant %s", command, tt.want)
			}
		})
	}
}

// TestWhatAnAccountCanRename: in a directory of somebody else's, an account can do nothing.
func TestWhatAnAccountCanRename(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".docker/config.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	l := another("ci", home, nil)
	if got := l.closed(file); got != "" {
		t.Errorf("got %q of a home that belongs to somebody else", got)
	}
	l.account.UID = os.Geteuid()
	if got := l.closed(file); got != file {
		t.Errorf("got %q in a directory of its own", got)
	}
}

func TestALineThatSetsAVariable(t *testing.T) {
	tests := map[string]bool{
		"DOCKER_CONFIG=/srv\n":                      true,
		"export DOCKER_CONFIG=/srv":                 true,
		"  declare -x HOME=/root DOCKER_CONFIG=/x;": true,
		"# DOCKER_CONFIG=/srv":                      false,
		"echo DOCKER_CONFIG=/srv":                   false,
		"MY_DOCKER_CONFIG=/srv":                     false,
		"unset DOCKER_CONFIG":                       false,
	}
	for line, want := range tests {
		if got := sets(line, "DOCKER_CONFIG"); got != want {
			t.Errorf("%q: got %t", line, got)
		}
	}
}

func TestNobodyIsNamedByAPlaceholder(t *testing.T) {
	self := osuser.Account{Name: "me", UID: os.Geteuid()}
	others := []osuser.Account{self, {Name: "ci", UID: self.UID + 1}, {Name: "a b", UID: self.UID + 2}}
	for _, tt := range []struct {
		accounts []osuser.Account
		want     string
	}{{[]osuser.Account{self}, "ecr-refreshd configure-docker"}, {others, "ecr-refreshd configure-docker --user ci --user 'a b'"}} {
		want := tt.want
		if self.UID == 0 {
			want = sudo + want
		}
		if got := nobody(tt.accounts).Command; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
