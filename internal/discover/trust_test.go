package discover

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const loginWith = "aws ecr get-login-password --region us-east-1 --profile %s | docker login -u AWS --password-stdin 111122223333.dkr.ecr.us-east-1.amazonaws.com\n"

// Only who is as good as root may say as whom the host's service logs in.
func TestWhoDecidesForTheHost(t *testing.T) {
	tests := []struct {
		name    string
		group   string
		files   map[string]string
		profile string // in the draft; empty for none
		copies  bool   // the AWS files of ci
		usermod string // empty for no word of it
	}{
		{"a user", "", nil, "", false, "# sudo usermod -aG docker ci"},
		{"a user of a system's unit", "", map[string]string{"etc/systemd/system/a.service": "[Service]\nUser=ci\nExecStart=/bin/sh /home/ci/.bashrc\n"}, "", false, "# sudo usermod -aG docker ci"},
		{"a member of docker", "docker:x:99:ci\n", nil, "mine", true, ""},
		{"root before a member", "docker:x:99:ci\n", map[string]string{"var/spool/cron/crontabs/root": "@daily " + fmt.Sprintf(loginWith, "roots")}, "roots", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, _ := newHost(t, os.Getuid())
			write(t, root, "etc/group", tt.group)
			write(t, root, "home/ci/.bashrc", fmt.Sprintf(loginWith, "mine"))
			write(t, root, "home/ci/.aws/config", "[profile mine]\nrole_arn=arn:aws:iam::111122223333:role/x\n")
			passwd := "ci:x:" + strconv.Itoa(os.Getuid()) + ":1::/home/ci:/bin/sh\nroot:x:0:0::/root:/bin/sh\n"
			write(t, root, "etc/passwd", passwd)
			for name, text := range tt.files {
				write(t, root, name, text)
			}
			s := lookBelow(t, root, nil)
			d := s.draft()
			if got := strings.Contains(string(d.Config), fmt.Sprintf("profile: %q\n", tt.profile)); got != (tt.profile != "") || strings.Contains(string(d.Config), "profile:") != got {
				t.Errorf("want the profile %q:\n%s", tt.profile, d.Config)
			}
			var commands []string
			for _, step := range d.Next {
				commands = append(commands, step.Commands...)
			}
			all := strings.Join(commands, "\n")
			if got := strings.Contains(all, "/home/ci/.aws/config"); got != tt.copies {
				t.Errorf("copies the AWS files %v:\n%s", got, all)
			}
			if got := slices.ContainsFunc(s.unread, func(u Finding) bool { return u.What == "~ci/.aws" }); got == tt.copies {
				t.Errorf("tells that they are not used: %v", got)
			}
			switch at := slices.IndexFunc(commands, func(c string) bool { return strings.Contains(c, "usermod") }); {
			case at < 0:
				if tt.usermod != "" {
					t.Errorf("no word of the group:\n%s", all)
				}
			case tt.usermod == "" || !strings.HasPrefix(commands[at], tt.usermod):
				t.Errorf("says %q", commands[at])
			}
		})
	}
}

// One's own service is one's own to steer.
func TestAUserDecidesForTheirOwn(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	write(t, root, "home/ci/.bashrc", fmt.Sprintf(loginWith, "mine"))
	env := map[string]string{"HOME": "/home/ci"}
	s, err := look(t.Context(), Options{Root: root, Getenv: func(key string) string { return env[key] }, UID: os.Getuid(), Own: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := draftOf(t, s); !strings.Contains(string(d.Config), `profile: "mine"`) {
		t.Errorf("got\n%s", d.Config)
	}
}

func TestNamesThatDeceiveAreLeftOut(t *testing.T) {
	for name, script := range map[string]string{"control": "/srv/a\x1b[2J", "bidi": "/srv/a\u202eb", "not UTF-8": "/srv/a\xff"} {
		t.Run(name, func(t *testing.T) {
			root, _ := newHost(t, os.Getuid())
			write(t, root, script, fmt.Sprintf(loginWith, "x"))
			write(t, root, "etc/crontab", "@daily root "+script+"\n")
			if s := lookBelow(t, root, nil); len(s.jobs) > 0 {
				t.Errorf("habits %+v", s.jobs)
			}
			if got := (place{path: script}).String(); printable(got) != got {
				t.Errorf("shown as %s", got)
			}
		})
	}
}

func TestUnitName(t *testing.T) {
	for name, want := range map[string]bool{"ecr-login.service": true, "a@b.service": true, "-M.service": false, "--now.service": false, "a b.service": false, "": false} {
		if unitName.MatchString(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// One account's logins must not crowd out those of others.
func TestLoginsOfOneAreCut(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	line := fmt.Sprintf(loginWith, "x")
	write(t, root, "var/spool/cron/crontabs/ci", strings.Repeat("@daily "+line, maxJobs))
	write(t, root, "home/ci/.bashrc", line)
	write(t, root, "etc/crontab", strings.Repeat("@daily root "+line, maxJobs+3))
	write(t, root, "etc/cron.d/ecr", "@daily root "+line)
	s := lookBelow(t, root, nil)
	if want := 2*maxJobs + 1; len(s.jobs) != want {
		t.Errorf("%d habits, want %d", len(s.jobs), want)
	}
	var paths []string
	for _, u := range s.unread {
		paths = append(paths, u.What)
	}
	slices.Sort(paths)
	if fmt.Sprint(paths) != "[/etc/crontab ~ci]" {
		t.Errorf("unread %q", s.unread)
	}
}

// Opening a device may rewind a tape or start a timer.
func TestNothingButAFileIsOpened(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	pipe := filepath.Join(root, "etc/crontab")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, pipe, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	s := lookBelow(t, root, nil)
	if n, err := unix.Read(watch, make([]byte, 4096)); err != unix.EAGAIN {
		t.Errorf("it was opened: %d bytes of events, %v", n, err)
	}
	if len(s.unread) != 1 || s.unread[0].Text != errOdd.Error() {
		t.Errorf("unread %q", s.unread)
	}
}

func TestLeftoversAreNotRead(t *testing.T) {
	for name, want := range map[string]int{"ecr": 1, "ecr.dpkg-old": 0, "ecr.rpmsave": 0, "ecr~": 0, "ecr.disabled": 0, ".ecr": 0} {
		t.Run(name, func(t *testing.T) {
			root, _ := newHost(t, os.Getuid())
			write(t, root, "etc/cron.d/"+name, "@daily root "+fmt.Sprintf(loginWith, "x"))
			if s := lookBelow(t, root, nil); len(s.jobs) != want {
				t.Errorf("%d habits, want %d", len(s.jobs), want)
			}
		})
	}
	root, _ := newHost(t, os.Getuid())
	write(t, root, "usr/local/bin/login.sh~", fmt.Sprintf(loginWith, "x"))
	if s := lookBelow(t, root, nil); len(s.jobs) > 0 {
		t.Errorf("habits %v", s.jobs)
	}
}

// A command is told with the unit's name in it.
func TestAUnitWhoseNameIsAnOptionIsPassedOver(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	for name, want := range map[string]int{"--now.service": 0, "a.service": 1} {
		write(t, root, "etc/systemd/system/"+name, "[Service]\nExecStart="+fmt.Sprintf(loginWith, "x"))
		if h := lookBelow(t, root, nil); len(h.jobs) != want {
			t.Errorf("%s: jobs %+v", name, h.jobs)
		}
		_ = os.Remove(filepath.Join(root, "etc/systemd/system", name)) // the next one stands alone
	}
}
