package survey

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEndOfAHabit(t *testing.T) {
	cron, script := Place{"/etc/cron.d/ecr", 3}, "/usr/local/bin/login.sh"
	inside := []Command{{First: 4, Last: 6}}
	tests := []struct {
		name string
		h    Habit
		own  bool
		want string
	}{
		{"a line of cron", Habit{Kind: SystemCron, At: cron, Alone: true, Commands: inside}, false, "sudo sed -i '3s/^/#/' /etc/cron.d/ecr"},
		{"a line that does more", Habit{Kind: SystemCron, At: cron, Commands: []Command{{First: 3, Last: 3}}}, false, "sudoedit /etc/cron.d/ecr   # take out the login, line 3"},
		{"a script that does more", Habit{Kind: SystemCron, At: cron, Script: script, Commands: inside}, false, "sudoedit /usr/local/bin/login.sh   # take out the login, lines 4 to 6"},
		{"a crontab that does more", Habit{Kind: UserCron, User: "ci", Commands: []Command{{First: 3, Last: 3}}}, false, "sudo crontab -u ci -e   # take out the login, line 3"},
		{"a line of a crontab", Habit{Kind: UserCron, User: "ci", At: Place{"/var/spool/cron/ci", 7}, Alone: true, Commands: []Command{{First: 7, Last: 7}}}, false,
			"sudo crontab -u ci -e   # take out the login, line 7"},
		{"a crontab's script", Habit{Kind: UserCron, User: "ci", At: Place{"/var/spool/cron/ci", 7}, Script: script, Alone: true, Commands: inside}, false,
			"sudo crontab -u ci -e   # take out the login, line 7"},
		{"a timer", Habit{Kind: Timer, Unit: "ecr.timer", At: Place{Path: "/etc/systemd/system/ecr.service"}, Alone: true}, false, "sudo systemctl disable --now ecr.timer"},
		{"a user's timer, by root", Habit{Kind: Timer, Unit: "ecr.timer", User: "ci", At: Place{Path: "~ci/.config/systemd/user/ecr.service"}, Alone: true}, false,
			"sudo systemctl --user -M ci@ disable --now ecr.timer"},
		{"one's own timer", Habit{Kind: Timer, Unit: "ecr.timer", User: "ci", At: Place{Path: "~ci/.config/systemd/user/ecr.service"}, Alone: true}, true,
			"systemctl --user disable --now ecr.timer"},
		{"a script of run-parts", Habit{Kind: Script, At: Place{Path: "/etc/cron.daily/ecr"}, Alone: true}, false, "sudo chmod a-x /etc/cron.daily/ecr"},
		{"a start file", Habit{Kind: Script, At: Place{"~ci/.bashrc", 2}, Commands: []Command{{First: 2, Last: 2}, {First: 9, Last: 9}}}, true,
			"${EDITOR:-vi} ~ci/.bashrc   # take out the login, line 2 and line 9"},
		{"an odd path", Habit{Kind: SystemCron, At: Place{"/etc/cron.d/it's", 1}, Alone: true}, false, `sudo sed -i '1s/^/#/' '/etc/cron.d/it'\''s'`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(tt.h.end(tt.own).Commands, "\n"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The command is typed as it is: it must do what it says.
func TestCommandCommentsOut(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "sudo", "#!/bin/sh\nexec \"$@\"\n")
	if err := os.Chmod(filepath.Join(dir, "sudo"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "tab", "MAILTO=a\n0 1 * * * root login\n0 3 * * * root backup\n")
	h := Habit{Kind: SystemCron, At: Place{dir + "/tab", 2}, Alone: true}
	cmd := exec.Command("sh", "-c", h.end(false).Commands[0])
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	after, err := os.ReadFile(filepath.Join(dir, "tab"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "MAILTO=a\n#0 1 * * * root login\n0 3 * * * root backup\n"; string(after) != want {
		t.Errorf("now:\n%s", after)
	}
}

// A unit that logs in before it does its work must not be disabled.
func TestAServiceThatDoesMoreIsNotDisabled(t *testing.T) {
	root, _ := host(t, os.Getuid())
	write(t, root, "etc/systemd/system/app.service", "[Service]\nExecStartPre=/bin/sh -c 'aws ecr get-login-password --region us-east-1 | docker login -u AWS --password-stdin 111122223333.dkr.ecr.us-east-1.amazonaws.com'\nExecStart=/usr/bin/docker run app\n")
	s := survey(t, root, nil)
	if len(s.Habits) != 1 || s.Habits[0].Alone {
		t.Fatalf("habits %+v", s.Habits)
	}
	if got := s.Habits[0].end(false).Commands[0]; got != "sudoedit /etc/systemd/system/app.service   # take out the login, line 2" {
		t.Error(got)
	}
}

func TestCredentialsReachTheService(t *testing.T) {
	role := &Instance{Account: "111122223333", Region: "us-east-1", Role: "build"}
	files := []SharedFile{{"/root/.aws/credentials", "root"}, {"/home/ci/.aws/config", "ci"}}
	ci := []Profile{{Name: "ci", User: "ci"}}
	tests := []struct {
		name string
		s    Survey
		of   string // the profile of the entry
		want string // part of the last command; empty for no step
	}{
		{"a role", Survey{AWS: AWS{Instance: role, Files: files}}, "", ""},
		{"a role and a profile", Survey{AWS: AWS{Instance: role, Files: files, Profiles: ci}}, "ci", " /home/ci/.aws/config /var/lib/ecr-refreshd/.aws/"},
		{"an instance without a role", Survey{AWS: AWS{Instance: &Instance{}, Files: files}}, "", " /root/.aws/credentials /var/lib/ecr-refreshd/.aws/"},
		{"files of who logs in today", Survey{AWS: AWS{Files: files}, Habits: []Habit{{User: "ci"}}}, "", " /home/ci/.aws/config "},
		{"its own files", Survey{AWS: AWS{Files: append(files, SharedFile{"/var/lib/ecr-refreshd/.aws/config", "ecr-refreshd"})}}, "", ""},
		{"keys by a drop-in", Survey{AWS: AWS{Files: files}, Service: HostService{Keys: true}}, "", ""},
		{"nothing", Survey{}, "", "chown ecr-refreshd:"},
		{"the environment", Survey{AWS: AWS{Variables: []string{"AWS_ACCESS_KEY_ID"}}}, "", "chown ecr-refreshd:"},
		{"a user's own files", Survey{Own: true, AWS: AWS{Files: files}}, "", ""},
		{"a user without files", Survey{Own: true}, "", "aws configure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, step := range tt.s.credentials([]entry{{profile: tt.of}}) {
				got = step.Commands[len(step.Commands)-1]
			}
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
