package discover

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const secretConfig = `{"auths": {"999999999999.dkr.ecr.us-east-1.amazonaws.com": {}}}`

// newHost is a directory with a passwd, in which ci has a home.
func newHost(t *testing.T, ciUID int) (root, home string) {
	t.Helper()
	root = t.TempDir()
	write(t, root, "etc/passwd", "ci:x:"+strconv.Itoa(ciUID)+":1::/home/ci:/bin/sh\n")
	write(t, root, "secret/config.json", secretConfig)
	write(t, root, "home/ci/.profile", "")
	return root, filepath.Join(root, "home/ci")
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func lookBelow(t *testing.T, root string, env map[string]string) *host {
	t.Helper()
	h, err := look(t.Context(), Options{Root: root, Getenv: func(key string) string { return env[key] }, UID: os.Getuid()})
	if err != nil {
		t.Fatal(err)
	}
	draftOf(t, h)
	return h
}

// What lies in a home must not lead root elsewhere, nor hold it up.
func TestHostileHomes(t *testing.T) {
	tests := []struct {
		name   string
		make   func(root, home string) error
		unread string // part of why
	}{
		{"a link out of the home", func(root, home string) error {
			return errors.Join(os.Mkdir(home+"/.docker", 0o700), os.Symlink(root+"/secret/config.json", home+"/.docker/config.json"))
		}, "escapes"},
		{"a relative link out of the home", func(root, home string) error {
			return os.Symlink("../../secret", home+"/.docker")
		}, "escapes"},
		{"a link to itself", func(root, home string) error { return os.Symlink(".docker", home+"/.docker") }, "too many"},
		{"a FIFO", func(root, home string) error {
			return errors.Join(os.Mkdir(home+"/.docker", 0o700), unix.Mkfifo(home+"/.docker/config.json", 0o600))
		}, "not a regular file"},
		{"a FIFO for a directory", func(root, home string) error {
			return errors.Join(os.MkdirAll(home+"/.docker", 0o700), os.MkdirAll(home+"/.config/systemd", 0o700), unix.Mkfifo(home+"/.config/systemd/user", 0o600),
				os.Symlink("/", home+"/.docker/config.json"))
		}, "escapes"},
		{"a directory", func(root, home string) error { return os.MkdirAll(home+"/.docker/config.json", 0o700) }, "not a regular file"},
		{"a huge file", func(root, home string) error {
			return errors.Join(os.Mkdir(home+"/.docker", 0o700), os.WriteFile(home+"/.docker/config.json", bytes.Repeat([]byte(" "), 512), 0o600), os.Truncate(home+"/.docker/config.json", 1<<40))
		}, "more than"},
		{"broken JSON", func(root, home string) error {
			return errors.Join(os.Mkdir(home+"/.docker", 0o700), os.WriteFile(home+"/.docker/config.json", []byte(secretConfig[:40]), 0o600))
		}, "not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, home := newHost(t, os.Getuid())
			if err := tt.make(root, home); err != nil {
				t.Fatal(err)
			}
			s := lookBelow(t, root, nil)
			if len(s.mentions) > 0 {
				t.Errorf("it was read: %v", s.mentions)
			}
			if len(s.unread) != 1 || !strings.Contains(s.unread[0].Text, tt.unread) || !strings.HasPrefix(s.unread[0].What, "~ci/.docker") {
				t.Errorf("unread: %q", s.unread)
			}
		})
	}
}

func TestAHomeOfSomebodyElseIsNotRead(t *testing.T) {
	root, _ := newHost(t, os.Getuid()+1)
	write(t, root, "home/ci/.docker/config.json", secretConfig)
	if s := lookBelow(t, root, nil); len(s.mentions) > 0 {
		t.Errorf("it was read: %v", s.mentions)
	}
}

// skip leaves a test out, unless that is forbidden.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// A hard link may bring anybody's file into a home, where the kernel lets it.
func TestAFileOfSomebodyElseInAHomeIsNotRead(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "giving a file to somebody else takes root")
	}
	const ci, other = 4242, 4243
	root, home := newHost(t, ci)
	write(t, root, "home/ci/.docker/config.json", secretConfig)
	for path, uid := range map[string]int{home: ci, home + "/.docker": ci, home + "/.docker/config.json": other} {
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	s := lookBelow(t, root, nil)
	if len(s.mentions) > 0 || len(s.unread) != 1 {
		t.Errorf("mentions %v, unread %v", s.mentions, s.unread)
	}
}

func TestALinkWithinTheHomeIsFollowed(t *testing.T) {
	root, home := newHost(t, os.Getuid())
	write(t, root, "home/ci/dotfiles/docker.json", secretConfig)
	if err := errors.Join(os.Mkdir(home+"/.docker", 0o700), os.Symlink("../dotfiles/docker.json", home+"/.docker/config.json")); err != nil {
		t.Fatal(err)
	}
	if s := lookBelow(t, root, nil); len(s.mentions) != 1 {
		t.Errorf("mentions %v, unread %v", s.mentions, s.unread)
	}
}

// Whoever has a crontab may name any file in it.
func TestAScriptThatItsUserMayNotReadIsNotRead(t *testing.T) {
	const login = "aws ecr get-login-password --region us-east-1\n"
	for name, mode := range map[string]os.FileMode{"private": 0o600, "public": 0o644} {
		t.Run(name, func(t *testing.T) {
			root, _ := newHost(t, os.Getuid())
			write(t, root, "srv/run.sh", login)
			write(t, root, "var/spool/cron/crontabs/ci", "0 0 * * * sh /srv/run.sh\n")
			if err := os.Chmod(filepath.Join(root, "srv/run.sh"), mode); err != nil {
				t.Fatal(err)
			}
			s := lookBelow(t, root, nil)
			if read := len(s.jobs) == 1; read != (mode == 0o644) {
				t.Errorf("habits %v", s.jobs)
			}
		})
	}
}

func TestManyRegistriesAreCut(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	var b strings.Builder
	for i := range 5000 {
		b.WriteString(`,"` + strconv.Itoa(100000000000+i) + `.dkr.ecr.us-east-1.amazonaws.com":{}`)
	}
	write(t, root, "home/ci/.docker/config.json", `{"auths":{`+b.String()[1:]+`}}`)
	s := lookBelow(t, root, nil)
	if len(s.mentions) != maxMentions || len(s.unread) != 1 {
		t.Errorf("%d mentions, unread %v", len(s.mentions), s.unread)
	}
}

func TestWhatMayNotBeReadIsTold(t *testing.T) {
	h := &host{}
	for range 2 {
		h.missed("/etc/crontab", &os.PathError{Op: "open", Path: "/x/etc/crontab", Err: unix.EACCES})
		h.missed("/nothing", &os.PathError{Op: "open", Path: "/x/nothing", Err: unix.ENOENT})
	}
	if got := h.unread; len(got) != 1 || got[0] != (Finding{"/etc/crontab", "permission denied"}) {
		t.Errorf("unread %v", got)
	}
}

func TestMetadataIsAskedOnEC2Only(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	if s := lookBelow(t, root, nil); s.instance.is {
		t.Error("asked on another host")
	}
	write(t, root, "sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
	if s := lookBelow(t, root, map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}); s.instance.is {
		t.Error("asked although that is disabled")
	}
	endpoint := metadataOf(t)
	if s := lookBelow(t, root, map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint}); s.instance.Role != "build-agent" {
		t.Errorf("instance %+v", s.instance)
	}
}

// A command line names programs, which say nothing, however large they are.
func TestProgramsArePassedOver(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	program := "\x7fELF\x02\x01\x01\x00" + strings.Repeat("x", 2*maxFile)
	write(t, root, "usr/bin/restic", program)
	write(t, root, "usr/local/bin/docker", program)
	write(t, root, "etc/crontab", "@daily root /usr/bin/restic backup\n")
	if h := lookBelow(t, root, nil); len(h.unread) > 0 {
		t.Errorf("unread %q", h.unread)
	}
	write(t, root, "usr/local/bin/long", strings.Repeat("# a script\n", maxFile/4))
	if h := lookBelow(t, root, nil); len(h.unread) != 1 || h.unread[0] != (Finding{"/usr/local/bin/long", errLarge.Error()}) {
		t.Errorf("unread %q", h.unread)
	}
}
