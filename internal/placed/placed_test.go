package placed

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

func digestOf(password string) login.Digest {
	return login.Token{Username: "AWS", Secret: login.NewSecret(password)}.Digest()
}

// What a start could not take away is carried from record to record, which must not grow by it.
func TestARecordThatIsCarriedOnStaysAsLargeAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "placed.json")
	left := Record{}
	for i, name := range []string{"a", "b", "c"} {
		left.Places = append(left.Places, Place{Type: "docker-config", Options: json.RawMessage(`{"Path":"/` + name + `"}`)})
		left.Grants = append(left.Grants, Grant{Key: "gone", Tokens: []Token{{Digest: digestOf("old"), ExpiresAt: time.Unix(0, 0)}},
			Held: []Held{{Places: []int{i}, Hosts: []string{"h"}}}})
	}
	want := 0
	for start := range 4 {
		r := Record{Grants: []Grant{{Key: "gone", Tokens: []Token{{Digest: digestOf("new")}}}}}
		for i := range left.Places {
			r.Add(left, i)
		}
		if err := r.Write(path); err != nil {
			t.Fatal(err)
		}
		read, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(read.Places) != 3 || start > 0 && len(read.Grants) != want {
			t.Errorf("start %d: %d places, %d grants, want 3 and %d", start, len(read.Places), len(read.Grants), want)
		}
		want = len(read.Grants)
		for i := range read.Places {
			if logins := read.Logins(i); len(logins) != 1 || len(logins[0]) != 1 || logins[0][0].Digest() != digestOf("old") {
				t.Errorf("start %d: place %d holds %v", start, i, logins)
			}
		}
		if got := read.Tokens()["gone"]; len(got) != 1 || got[0].Digest != digestOf("new") {
			t.Error("the tokens of what is left are in the place of the newest")
		}
		left = Record{}
		for i := range read.Places {
			left.Add(read, i)
		}
	}
}

func TestARecordThatOthersCouldWriteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "placed.json")
	for _, text := range []string{`{"places":[],"grants":[{"held":[{"places":[0]}]}]}`, `{"grants":[{"tokens":[{"digest":"x"}]}]}`, `[`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil {
			t.Errorf("%s was read", text)
		}
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a record that everybody can write was read")
	}
}

func TestEachConfigurationHasARecordOfItsOwn(t *testing.T) {
	env := func(vars map[string]string) func(string) string { return func(n string) string { return vars[n] } }
	tests := []struct {
		name string
		vars map[string]string
		uid  int
		dir  string // empty: there is no place
	}{
		{"systemd's", map[string]string{"STATE_DIRECTORY": "/s:/t", "HOME": "/h"}, 1000, "/s"},
		{"root's", map[string]string{"HOME": "/root"}, 0, "/var/lib/ecr-refreshd"},
		{"a user's", map[string]string{"HOME": "/h"}, 1000, "/h/.local/state/ecr-refreshd"},
		{"a user's own choice", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/x"}, 1000, "/x/ecr-refreshd"},
		{"a relative one is none", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "x"}, 1000, "/h/.local/state/ecr-refreshd"},
		{"none", nil, 1000, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := Path(env(tt.vars), tt.uid, "/etc/a.yaml")
			b, _ := Path(env(tt.vars), tt.uid, "/etc/b.yaml")
			if tt.dir == "" {
				if err == nil {
					t.Errorf("got %q", a)
				}
				return
			}
			if err != nil || filepath.Dir(a) != tt.dir || a == b {
				t.Errorf("got %q and %q, %v; want two files in %q", a, b, err, tt.dir)
			}
		})
	}
}
