package clientview

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
)

func TestWhyAFileCannotBeRead(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
	found := func(string) (fs.FileInfo, error) { return nil, nil }
	tests := []struct {
		name       string
		env        map[string]string
		err        error
		stat       func(string) (fs.FileInfo, error)
		text, hint string
	}{
		{"the file of another", nil, denied, found, `read "/home/me/.docker/config.json" as me: permission denied`, "namei -l /home/me/.docker/config.json"},
		{"the directory of another", nil, denied, func(string) (fs.FileInfo, error) { return nil, denied }, "permission denied", "namei -l /home/me/.docker/config.json"},
		{"the variable names a file", map[string]string{"DOCKER_CONFIG": "/srv/c.json"}, &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOTDIR}, nil, "not a directory", "DOCKER_CONFIG has to name the directory, not the file in it"},
		{"a disk", nil, syscall.EIO, nil, "input/output error", "look at /home/me/.docker/config.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Eye{
				Account: osuser.Account{Name: "me", Home: "/home/me"},
				Getenv:  func(name string) string { return tt.env[name] },
				Read:    func(string) ([]byte, error) { return nil, tt.err },
				Stat:    tt.stat,
			}
			for _, client := range []Client{Docker, ORAS} {
				a := e.Look(client, ecrHost)
				if a.Fault == nil || !strings.Contains(a.Fault.Error(), tt.text) || !strings.Contains(a.Fault.Hint, tt.hint) || !errors.Is(a.Fault, tt.err) && !errors.Is(tt.err, errors.Unwrap(a.Fault)) {
					t.Errorf("%s: got %v; %+v", client, a.Fault, a.Fault)
				}
			}
		})
	}
}

func TestNothingBehindAFIFOIsAwaited(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(home, ".docker/config.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan Answer, 1)
	go func() { done <- Eye{Account: osuser.Account{Home: home}}.Look(Docker, ecrHost) }()
	select {
	case a := <-done:
		if a.Fault == nil || !strings.Contains(a.Fault.Error(), "not a regular file") {
			t.Errorf("got %v", a.Fault)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
}

func TestWithoutAHome(t *testing.T) {
	a := Eye{Account: osuser.Account{UID: 54321}}.Look(Docker, ecrHost)
	if a.Fault == nil || !strings.Contains(a.Fault.Hint, "set HOME, or DOCKER_CONFIG") {
		t.Errorf("got %v", a.Fault)
	}
}

func TestTheSnapRunsNoHelper(t *testing.T) {
	s := site{ecrHost, t.TempDir()}
	r := row{files: map[string]string{"snap/docker/current/.docker/config.json": `{"credHelpers": {"HOST": "ecr-refreshd"}}`}, helpers: map[string]string{"ecr-refreshd": answers}}
	r.lay(t, s)
	a := r.eye(s).Look(DockerSnap, s.host)
	if a.Program.State != NotExecutable || a.Fault == nil || !strings.Contains(a.Fault.Hint, "delivery: auths") {
		t.Errorf("got %+v", a)
	}
}

type program struct {
	fs.FileInfo
	mode     fs.FileMode
	uid, gid uint32
}

func (p program) Mode() fs.FileMode { return p.mode }
func (p program) IsDir() bool       { return false }
func (p program) Sys() any          { return &syscall.Stat_t{Uid: p.uid, Gid: p.gid} }

func TestWhoMayRunAProgram(t *testing.T) {
	tests := []struct {
		name string
		uid  int
		file program
		want State
	}{
		{"everybody", 1000, program{mode: 0o755}, Found},
		{"nobody", 1000, program{mode: 0o644}, NotExecutable},
		{"nobody, asked by root", 0, program{mode: 0o644}, NotExecutable},
		{"root only, asked by root", 0, program{mode: 0o700, uid: 1}, Found},
		{"the owner", 1000, program{mode: 0o700, uid: 1000}, Found},
		{"all but the owner", 1000, program{mode: 0o077, uid: 1000}, NotExecutable},
		{"the group", 1000, program{mode: 0o750, gid: 1000}, Found},
		{"another group of the account", 1000, program{mode: 0o710, gid: 7}, Found},
		{"all but the group", 1000, program{mode: 0o705, gid: 7}, NotExecutable},
		{"a group of others", 1000, program{mode: 0o770, gid: 8}, NotExecutable},
	}
	for _, tt := range tests {
		e := Eye{
			Account: osuser.Account{UID: tt.uid, GID: tt.uid, Groups: []int{7}},
			Getenv:  func(string) string { return "relative:/a:/b" },
			Stat: func(path string) (fs.FileInfo, error) {
				if path != "/b/x" {
					return nil, fs.ErrNotExist
				}
				return tt.file, nil
			},
		}
		if got := e.program("x"); got != (Program{"x", "/b/x", tt.want}) {
			t.Errorf("%s: got %+v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestAProgramThatMayRunBeatsAnEarlierOneThatMayNot(t *testing.T) {
	e := Eye{
		Account: osuser.Account{UID: 1000},
		Getenv:  func(string) string { return "/a:/b" },
		Stat: func(path string) (fs.FileInfo, error) {
			return program{mode: map[string]fs.FileMode{"/a/x": 0o644, "/b/x": 0o755}[path]}, nil
		},
	}
	if got := e.program("x"); got != (Program{"x", "/b/x", Found}) {
		t.Errorf("got %+v", got)
	}
}

func TestSends(t *testing.T) {
	secret := login.NewSecret("s3cret-good")
	sound := Login{Username: "AWS", Secret: secret}
	helped, chancy := sound, sound
	helped.Helper, chancy.Chance = "x", true
	if !sound.Sends("AWS", secret) || sound.Sends("aws", secret) || sound.Sends("AWS", login.NewSecret("x")) ||
		helped.Sends("AWS", secret) || chancy.Sends("AWS", secret) || (Login{}).Sends("", login.Secret{}) {
		t.Error("Sends is wrong")
	}
}

func TestHowAPlaceIsWritten(t *testing.T) {
	for want, p := range map[string]Place{
		`/c.json:3: auths["h"]`: {"/c.json", 3, `auths["h"]`},
		`/c.json: auths`:        {"/c.json", 0, "auths"},
		`DOCKER_AUTH_CONFIG`:    {"", 0, "DOCKER_AUTH_CONFIG"},
	} {
		if p.String() != want {
			t.Errorf("got %s, want %s", p, want)
		}
	}
	if got := keyText([]string{"plugins", "a b\n", strings.Repeat("x", 500)}); len(got) > 300 || strings.Contains(got, "\n") {
		t.Errorf("got %q", got)
	}
}

// regctlLogin is what regctl makes of docker's file.
func regctlLogin(data []byte) Login {
	c, h := &content{client: "regctl", name: "f"}, &regctlHost{}
	for _, n := range regctlDocker(c, data, "HOST") {
		h.merge(n)
	}
	return h.login("HOST")
}

func FuzzNoFileIsTooStrange(f *testing.F) {
	for _, r := range rows {
		f.Add([]byte(r.config))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, l := range []Login{
			ReadDocker("f", content).Login("HOST"), ReadContainers("f", content).Login("HOST"),
			readContainers("f", content, true).Login("HOST"), readORAS("f", content).login("HOST"), regctlLogin(content),
		} {
			if l.Fault == nil && l.Helper == "" && (l.Username == "" || l.Secret.IsZero()) {
				t.Errorf("no login and no fault: %+v", l)
			}
			if l.Fault != nil && (l.Fault.Hint == "" || strings.ContainsAny(l.Fault.Error()+l.Fault.Hint, "\n\x00")) {
				t.Errorf("fault %+v", l.Fault)
			}
		}
		_, _ = readVariable(string(content))
	})
}
