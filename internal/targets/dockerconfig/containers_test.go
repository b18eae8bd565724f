package dockerconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
)

// newContainers keeps an auth.json in a home.
func newContainers(t *testing.T) (target *Target, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), ".config", "containers", "auth.json")
	target, err := New(Options{Path: path, Containers: true})
	if err != nil {
		t.Fatal(err)
	}
	return target, path
}

func TestWherePodmanLooks(t *testing.T) {
	own := rootsContainers
	if os.Geteuid() != 0 {
		own = "/home/me/.config/containers/auth.json"
	}
	tests := []struct {
		name      string
		options   Options
		file, run string // $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR
		want      string
	}{
		{"this user", Options{}, "", "", own},
		{"by the variable", Options{}, "/srv/auth.json", "/run/user/7", "/srv/auth.json"},
		{"by a relative variable", Options{}, "auth.json", "", `"auth.json", by $REGISTRY_AUTH_FILE: not an absolute path`},
		{"root", Options{User: "root"}, "/srv/auth.json", "/run/user/0", "/run/containers/0/auth.json as root"},
		{"an account", Options{User: "ci"}, "/srv/auth.json", "/run/user/7", "~ci/.config/containers/auth.json"},
		{"a path", Options{Path: "/a/auth.json", User: "ci"}, "", "", "/a/auth.json as ci"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HOME", "/home/me")
			t.Setenv("REGISTRY_AUTH_FILE", tt.file)
			t.Setenv("XDG_RUNTIME_DIR", tt.run)
			tt.options.Containers = true
			got := ""
			if target, err := New(tt.options); err != nil {
				got = err.Error()
			} else {
				got = target.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOneFileIsOnePlaceForBothKinds(t *testing.T) {
	for name, pair := range map[string][2]config.Options{
		"by path":             {configFile{settings: settings{Path: "/a/b.json"}}, authFile{settings{Path: "/a/b.json"}}},
		"root's, by its path": {authFile{settings{User: "root"}}, authFile{settings{Path: rootsContainers}}},
	} {
		if pair[0].Place() != pair[1].Place() {
			t.Errorf("%s: %q and %q", name, pair[0].Place(), pair[1].Place())
		}
	}
	tokens, helper := authFile{settings{User: "ci"}}, authFile{settings{User: "ci", Helper: true}}
	if tokens.Place() != "~ci/.config/containers/auth.json" || helper.Place() != tokens.Place()+" credHelpers" || (configFile{settings: settings{User: "ci"}}).Place() == tokens.Place() {
		t.Errorf("got %q and %q", tokens.Place(), helper.Place())
	}
	for _, o := range []config.Options{tokens, helper} {
		made, err := o.New()
		if err != nil || made.String() != "~ci/.config/containers/auth.json" {
			t.Errorf("made %v, %v", made, err)
		}
	}
}

func TestTwoDirectoriesAreMadeForAnAuthFileAndNoMore(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077)) // the unit's
	target, path := newContainers(t)
	home := filepath.Dir(filepath.Dir(filepath.Dir(path)))
	wantStale(t, target, true, logins("pw")...)
	store(t, target, logins("pw")...)
	upper := os.FileMode(0o700)
	if os.Geteuid() == 0 { // /run/containers, through which others' clients pass
		upper = 0o711
	}
	for dir, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): upper} {
		if mode(t, dir) != want {
			t.Errorf("%s has mode %o", dir, mode(t, dir))
		}
	}
	if err := os.RemoveAll(home); err != nil {
		t.Fatal(err)
	}
	wantStale(t, target, false, logins("pw")...)
	wantFault(t, target.Store(t.Context(), logins("pw")), errNoParent, home+" is waited for")
	if _, err := os.Lstat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the home was made: %v", err)
	}
}

// atSessions moves /run/user for the test.
func atSessions(t *testing.T) (session string) {
	t.Helper()
	was := sessions
	sessions = t.TempDir()
	t.Cleanup(func() { sessions = was })
	return filepath.Join(sessions, fmt.Sprint(os.Geteuid()))
}

func TestASessionsDirectoryIsWaitedFor(t *testing.T) {
	session := atSessions(t)
	target, err := New(Options{Path: filepath.Join(session, "containers", "auth.json"), Containers: true})
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, target.Store(t.Context(), logins("pw")), errNoParent, session+" is waited for")
	if err := os.Mkdir(session, 0o700); err != nil {
		t.Fatal(err)
	}
	store(t, target, logins("pw")...)
}

// A reboot empties /run, and so does somebody's rm -r under a running daemon.
func TestALoginIsBackAfterItsDirectoriesHaveGone(t *testing.T) {
	for _, levels := range []int{0, 1, 2} {
		target, path := newContainers(t)
		store(t, target, logins("pw")...)
		changed, await := told()
		target.Watch(t.Context(), changed)
		await()
		gone := path
		for range levels {
			gone = filepath.Dir(gone)
		}
		for range 2 {
			if err := os.RemoveAll(gone); err != nil {
				t.Fatal(err)
			}
			for undone := false; !undone; {
				await()
				var err error
				if undone, err = target.Stale(t.Context(), logins("pw")); err != nil {
					t.Fatal(err)
				}
			}
			store(t, target, logins("pw")...)
			wantStale(t, target, false, logins("pw")...)
		}
	}
}

func TestALoginThatPodmanWouldNotSendIsAFault(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"none", `{}`, ""},
		{"an empty file", ``, ""},
		{"docker's store", `{"credsStore":"pass"}`, ""},
		{"another host's bad entry", `{"auths":{"old.example":{"auth":"no base64"}}}`, ""},
		{"a helper", `{"credHelpers":{"H":"pass"}}`, `podman will not read the login stored in`},
		{"our own helper", `{"credHelpers":{"H":"us"}}`, ""},
		{"an empty helper", `{"credHelpers":{"H":""}}`, `credHelpers["` + hostA + `"]`},
		{"helpers of a wrong shape", `{"credHelpers":{"x":7}}`, "podman gives up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, path := newContainers(t)
			write(t, path, withHelper(tt.file))
			err := target.Store(t.Context(), loginsOf(hostA))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				wantStale(t, target, false, loginsOf(hostA)...)
				return
			}
			wantFault(t, err, nil, path)
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			wantStale(t, target, true, loginsOf(hostA)...)
		})
	}
}

// What `podman login` has written in a session comes first for podman, until that ends.
func TestWhatASessionHidesIsAFault(t *testing.T) {
	session := filepath.Join(atSessions(t), "containers", "auth.json")
	t.Setenv("HOME", t.TempDir())
	target, err := New(Options{Containers: true})
	if err != nil {
		t.Fatal(err)
	}
	target.path, target.makes = filepath.Join(os.Getenv("HOME"), ".config/containers/auth.json"), 2 // also as root
	helper := &Helper{target.place}
	entry := func(host, password string) string {
		return `{"auths":{"` + host + `":{"auth":"` + loginFor(host, password).Basic().Reveal() + `"}}}`
	}
	for _, tt := range []struct {
		name, file string
		hidden     bool
	}{
		{"another host", entry("quay.io", "x"), false},
		{"the same login", entry(hostA, "s3cret"), false},
		{"another login", entry(hostA, "stale"), true},
		{"not JSON", `{"auths":`, true},
		{"another helper", `{"credHelpers":{"` + hostA + `":"pass"}}`, true},
	} {
		write(t, session, tt.file)
		err := target.Store(t.Context(), loginsOf(hostA))
		if !tt.hidden {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		wantFault(t, err, nil, session)
		if !strings.Contains(err.Error(), session) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := helper.Configure(t.Context(), []string{hostA}); err == nil {
			t.Errorf("%s: nothing of the helper", tt.name)
		}
		if _, err := helper.Undo(t.Context()); err != nil {
			t.Error(err)
		}
	}
	target.path, target.makes = session, 1 // as without root, in the session itself
	wantFault(t, target.Store(t.Context(), loginsOf(hostA)), nil, session)
	elsewhere, path := newContainers(t) // where a path is set, podman is told of it
	store(t, elsewhere, loginsOf(hostA)...)
	if len(auths(t, path)) != 1 {
		t.Error("nothing was stored")
	}
}

func TestALoginOfAPartOfAHostIsWarnedOf(t *testing.T) {
	target, path := newContainers(t)
	write(t, path, `{"auths":{"`+hostA+`/team":{"auth":"eDp5"},"quay.io/x":{"auth":"eDp5"}}}`)
	store(t, target, logins("pw")...)
	wantStale(t, target, false, logins("pw")...)
	for range 2 {
		if got := target.Warning(t.Context()); !strings.Contains(got, `auths["`+hostA+`/team"]`) || !strings.HasSuffix(got, "this target does not renew it") {
			t.Errorf("got %q", got)
		}
	}
	if have := auths(t, path); len(have) != 4 {
		t.Errorf("the file has %v", have)
	}
	write(t, path, `{}`)
	store(t, target, logins("pw")...)
	if got := target.Warning(t.Context()); got != "" {
		t.Errorf("still: %q", got)
	}
}

func TestTheHelperInAnAuthFile(t *testing.T) {
	_, path := newContainers(t)
	h, err := NewHelper(Options{Path: path, Containers: true})
	if err != nil {
		t.Fatal(err)
	}
	wantStored(t, h, hostA, hostB)
	wantFile(t, path, `{"credHelpers":{"H":"us","`+hostB+`":"us"}}`)
	write(t, path, `{"credHelpers":{"x":7}}`)
	if err := h.Store(t.Context(), loginsOf(hostA)); !fault.Has(err, fault.Local) || !strings.Contains(err.Error(), "podman gives up") {
		t.Errorf("got %v", err)
	}
	wantHelp(t, h, false, hostA)
}
