package dockerconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/atfile"
	"ecr-refreshd/internal/login"
)

// collision is a session stopped right after its exchange, with another program's
// write in between, and perhaps one more after it.
type collision struct {
	*session
	target *Target
	path   string
	was    *file
	ours   digest
	swap   string
}

// collide starts from a file with one login of another program, who then writes
// before, the session exchanges its own version, and the other program makes after
// of what it finds.
func collide(t *testing.T, before, after func(path string) error) *collision {
	t.Helper()
	c := &collision{}
	c.target, c.path = newTarget(t)
	write(t, c.path, `{"auths":{"x":{"auth":"dTox"}}}`)
	var err error
	if c.session, err = openAt(t, c.path); err != nil {
		t.Fatal(err)
	}
	var doc *document
	if c.was, doc, err = c.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	doc.store([]login.Login{loginFor(hostA, "pw")})
	if c.swap, err = c.session.write(doc, c.was); err != nil {
		t.Fatal(err)
	}
	c.ours = doc.sum
	if err := before(c.path); err != nil {
		t.Fatal(err)
	}
	if err := atfile.Rename(c.dirfd, c.swap, c.name, unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	if err := after(c.path); err != nil {
		t.Fatal(err)
	}
	return c
}

func openAt(t *testing.T, path string) (*session, error) {
	s := &session{site: site{path: path, format: docker}}
	return s, s.open(t.Context(), access{})
}

func nothing(string) error { return nil }

// set is another program's login, made from what is in the file now.
func set(key, value string) func(string) error {
	return func(path string) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		entry := `"auths":{"` + key + `":{"auth":"` + value + `"},`
		compact := strings.NewReplacer("\n", "", "\t", "", " ", "").Replace(string(content))
		if key == "x" {
			compact = strings.Replace(compact, `"x":{"auth":"dTox"},`, "", 1)
			compact = strings.Replace(compact, `"x":{"auth":"dTox"}`, "", 1)
		}
		changed := strings.Replace(compact, `"auths":{`, entry, 1)
		return replaceWith(strings.Replace(changed, ",}", "}", 1))(path)
	}
}

var collisions = []struct {
	name          string
	before, after func(string) error
	want          map[string]string // what the other program's entries have to be
	killed        map[string]string // and if the process is killed right after its exchange: less the write just before
}{
	{"none", nothing, nothing, map[string]string{"x": "dTox"}, map[string]string{"x": "dTox"}},
	{"login just before", set("y", "dToy"), nothing, map[string]string{"x": "dTox", "y": "dToy"}, map[string]string{"x": "dTox"}},
	{"change just before", set("x", "dToz"), nothing, map[string]string{"x": "dToz"}, map[string]string{"x": "dTox"}},
	{"logout just before", replaceWith(`{"auths":{}}`), nothing, map[string]string{}, map[string]string{"x": "dTox"}},
	// The last is made of ours, without y.
	{"just before and just after", set("y", "dToy"), set("z", "dToz"), map[string]string{"x": "dTox", "z": "dToz"}, map[string]string{"x": "dTox", "z": "dToz"}},
	{"just after", nothing, set("z", "dToz"), map[string]string{"x": "dTox", "z": "dToz"}, map[string]string{"x": "dTox", "z": "dToz"}},
	{"logout just after", nothing, replaceWith(`{"auths":{}}`), map[string]string{}, map[string]string{}},
	{"file removed just after", nothing, os.Remove, map[string]string{}, map[string]string{}},
}

func (c *collision) wantLogins(t *testing.T, others map[string]string) {
	t.Helper()
	have := auths(t, c.path)
	if have[hostA] != loginFor(hostA, "pw").Basic().Reveal() {
		t.Error("our login is not there")
	}
	delete(have, hostA)
	for key, want := range others {
		if have[key] != want {
			t.Errorf("%q is %q, want %q", key, have[key], want)
		}
	}
	if len(have) != len(others) {
		t.Errorf("other logins are %v, want %v", have, others)
	}
	wantTidy(t, c.path)
}

func TestAWriteJustBeforeOrAfterOursIsKept(t *testing.T) {
	for _, tt := range collisions {
		t.Run(tt.name, func(t *testing.T) {
			c := collide(t, tt.before, tt.after)
			defer c.close()
			if _, err := c.settle(c.swap, c.was, c.ours); err != nil {
				t.Fatal(err)
			}
			if _, err := c.update(t.Context(), func(d *document) (bool, error) { return d.store([]login.Login{loginFor(hostA, "pw")}), nil }); err != nil {
				t.Fatal(err)
			}
			c.wantLogins(t, tt.want)
		})
	}
}

func TestAKillRightAfterTheExchangeLosesTheWriteJustBeforeAtMost(t *testing.T) {
	for _, tt := range collisions {
		t.Run(tt.name, func(t *testing.T) {
			c := collide(t, tt.before, tt.after)
			c.close() // the process is gone, and its lock with it
			store(t, c.target, loginFor(hostA, "pw"))
			c.wantLogins(t, tt.killed)
		})
	}
}

func TestALeftoverIsClearedAwayAndNothingElse(t *testing.T) {
	target, path := newTarget(t)
	store(t, target, loginFor(hostA, "pw"))
	dir := filepath.Dir(path)
	leftovers := map[string]bool{ // and whether it stays
		".config.json.ecr-refreshd-new": false, ".config.json.ecr-refreshd.json": false,
		".config.json.ecr-refreshd-other": true, ".auth.json.ecr-refreshd-new": true, "config.json123": true,
	}
	for name := range leftovers {
		write(t, filepath.Join(dir, name), `{"auths":{"never":{}}}`)
	}
	store(t, target, loginFor(hostA, "pw")) // which changes nothing
	if have := auths(t, path); len(have) != 1 {
		t.Errorf("logins are %v", have)
	}
	for name, stays := range leftovers {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != stays {
			t.Errorf("%s: stays %v", name, err == nil)
		}
	}
}

func TestAFileThatComesOrGoesMeanwhileIsNotOverwritten(t *testing.T) {
	target, path := newTarget(t)
	store(t, target, loginFor(hostB, "pw"))
	s, err := openAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	empty := parsed(t, []byte("{}"))
	if done, err := s.replace(nil, empty); done || err != nil {
		t.Errorf("a file that came: %v, %v", done, err)
	}
	was, _, err := s.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if done, err := s.replace(was, empty); done || err != nil {
		t.Errorf("a file that went: %v, %v", done, err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file is back: %v", err)
	}
	if done, err := s.replace(nil, empty); !done || err != nil || read(t, path) != "{}" {
		t.Errorf("a new file: %v, %v", done, err)
	}
	wantTidy(t, path)
}
