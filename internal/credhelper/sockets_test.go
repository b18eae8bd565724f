package credhelper

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// someone is a user id, not root's, to which owned gives directories.
func someone() int {
	if uid := os.Geteuid(); uid != 0 {
		return uid
	}
	return 47001
}

// owned makes a directory of the user uid.
func owned(t *testing.T, uid int, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSocketsAndTheOwnDirectory(t *testing.T) {
	uid := someone()
	session, home, cache := owned(t, uid, t.TempDir()), t.TempDir(), t.TempDir()
	owned(t, uid, home, ".cache", "ecr-refreshd")
	owned(t, uid, cache, "ecr-refreshd")
	const name = "/ecr-refreshd"
	const socket = name + "/ecr-refreshd.sock"
	file := filepath.Join(session, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		uid  int
		want []string
		own  string // "" for none
	}{
		{"root", nil, 0, []string{systemSocket}, "/run/ecr-refreshd"},
		{"root with another's directories", map[string]string{"XDG_RUNTIME_DIR": session, "HOME": home}, 0, []string{systemSocket}, "/run/ecr-refreshd"},
		{"user", map[string]string{"XDG_RUNTIME_DIR": session}, uid, []string{session + socket, systemSocket}, session + name},
		{"user, slash at the end", map[string]string{"XDG_RUNTIME_DIR": session + "/"}, uid, []string{session + socket, systemSocket}, session + name},
		{"user, daemon perhaps of another session", map[string]string{"XDG_RUNTIME_DIR": session, "HOME": home}, uid,
			[]string{session + socket, home + "/.cache" + socket, systemSocket}, session + name},
		{"user without a session", map[string]string{"HOME": home}, uid, []string{home + "/.cache" + socket, systemSocket}, home + "/.cache" + name},
		{"user with another cache", map[string]string{"HOME": home, "XDG_CACHE_HOME": cache}, uid, []string{cache + socket, systemSocket}, cache + name},
		{"user without a daemon of their own", map[string]string{"HOME": session}, uid, []string{systemSocket}, session + "/.cache" + name},
		{"another user's session", map[string]string{"XDG_RUNTIME_DIR": session}, uid + 1, []string{systemSocket}, ""},
		{"another user's session and home", map[string]string{"XDG_RUNTIME_DIR": session, "HOME": home}, uid + 1, []string{systemSocket}, home + "/.cache" + name},
		{"a session that has ended", map[string]string{"XDG_RUNTIME_DIR": session + "/gone"}, uid, []string{systemSocket}, ""},
		{"no directory", map[string]string{"XDG_RUNTIME_DIR": file}, uid, []string{systemSocket}, ""},
		{"relative directories", map[string]string{"XDG_RUNTIME_DIR": "run", "XDG_CACHE_HOME": "cache", "HOME": "home"}, uid, []string{systemSocket}, ""},
		{"nothing", nil, uid, []string{systemSocket}, ""},
		{"moved", map[string]string{"ECR_REFRESHD_SOCKET": "/x.sock", "XDG_RUNTIME_DIR": session}, uid, []string{"/x.sock"}, session + name},
		{"moved, root", map[string]string{"ECR_REFRESHD_SOCKET": "/x.sock"}, 0, []string{"/x.sock"}, "/run/ecr-refreshd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			getenv := func(name string) string { return tt.env[name] }
			if got := Sockets(getenv, tt.uid); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got, ok := Own(getenv, tt.uid); ok != (tt.own != "") || ok && got != tt.own {
				t.Errorf("the own directory is %q, %v, want %q", got, ok, tt.own)
			}
		})
	}
}

// Whoever answers on the socket hands out logins: none is taken that another user
// could have put there.
func TestSocketsOfOthersArePassedOver(t *testing.T) {
	uid := someone()
	for _, tt := range []struct {
		name          string
		session, ours os.FileMode // of $XDG_RUNTIME_DIR and of ecr-refreshd in it
		owner         int         // of the latter
		taken         bool
	}{
		{"the user's own", 0o700, 0o755, uid, true},
		{"root's in the user's own", 0o700, 0o755, 0, true},
		{"another user's in the user's own", 0o700, 0o755, uid + 1, false},
		{"everybody may write in the session", 0o777, 0o755, uid, false},
		{"everybody may write, but not rename", 0o777 | os.ModeSticky, 0o755, uid, false},
		{"the group may write in the session", 0o770, 0o755, uid, false},
		{"everybody may write in ours", 0o755, 0o777, uid, false},
		{"the group may write in ours", 0o755, 0o775, uid, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if os.Geteuid() != 0 && tt.owner != uid {
				t.Skip("needs root")
			}
			session := owned(t, uid, t.TempDir())
			ours := owned(t, tt.owner, session, "ecr-refreshd")
			for dir, mode := range map[string]os.FileMode{session: tt.session, ours: tt.ours} {
				if err := os.Chmod(dir, mode); err != nil {
					t.Fatal(err)
				}
			}
			env := map[string]string{"XDG_RUNTIME_DIR": session}
			want := []string{systemSocket}
			if tt.taken {
				want = []string{ours + socketName, systemSocket}
			}
			if got := Sockets(func(name string) string { return env[name] }, uid); !slices.Equal(got, want) {
				t.Errorf("in the session's directory: got %q, want %q", got, want)
			}
			if tt.owner == 0 {
				return // a cache directory is the user's own
			}
			// The cache directory stands in a home that is the user's alone.
			env, want = map[string]string{"XDG_CACHE_HOME": session}, []string{systemSocket}
			if tt.owner == uid && tt.ours&0o022 == 0 {
				want = []string{ours + socketName, systemSocket}
			}
			if got := Sockets(func(name string) string { return env[name] }, uid); !slices.Equal(got, want) {
				t.Errorf("in the cache directory: got %q, want %q", got, want)
			}
		})
	}
}

func TestALinkInTheSessionIsPassedOver(t *testing.T) {
	uid := someone()
	session, elsewhere := owned(t, uid, t.TempDir()), owned(t, uid, t.TempDir())
	if err := os.Symlink(elsewhere, filepath.Join(session, "ecr-refreshd")); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": session}[name] }
	if got := Sockets(getenv, uid); !slices.Equal(got, []string{systemSocket}) {
		t.Errorf("got %q", got)
	}
}

// Wherever a daemon listens of its own accord, clients with the same environment look.
func TestClientsLookWhereTheDaemonListens(t *testing.T) {
	uid := someone()
	session, home := owned(t, uid, t.TempDir()), t.TempDir()
	for _, env := range []map[string]string{{"XDG_RUNTIME_DIR": session}, {"XDG_RUNTIME_DIR": session, "HOME": home}, {"HOME": home}} {
		for _, uid := range []int{0, uid} {
			getenv := func(name string) string { return env[name] }
			dir, ok := Own(getenv, uid)
			if !ok {
				t.Fatalf("%v gives no directory", env)
			}
			if uid != 0 {
				owned(t, uid, dir) // as the daemon does
			}
			if got := Sockets(getenv, uid); !slices.Contains(got, dir+"/ecr-refreshd.sock") {
				t.Errorf("uid %d, %v: clients look at %q and the daemon listens in %q", uid, env, got, dir)
			}
		}
	}
}
