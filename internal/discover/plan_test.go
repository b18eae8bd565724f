package discover

import (
	"os"
	"strings"
	"testing"

	"ecr-refreshd/internal/ecr"
	"ecr-refreshd/internal/registry"
)

// tellWants is wants in one line.
func tellWants(all []*want) string {
	var texts []string
	for _, w := range all {
		t := strings.TrimSpace(w.registry.Region + " " + w.registry.Account)
		if !plain(w.registry) {
			t = w.registry.Host()
		}
		if w.profile != "" {
			t += " as " + w.profile
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, "; ")
}

func TestWants(t *testing.T) {
	mention := func(user string, hosts ...string) []mention {
		var all []mention
		for _, h := range hosts {
			r, ok := hostOf(h)
			if !ok {
				t.Fatal(h)
			}
			all = append(all, mention{r, place{path: "~" + user + "/f"}, user})
		}
		return all
	}
	const a, b = "111122223333.dkr.ecr.us-east-1.amazonaws.com", "444455556666.dkr.ecr.us-east-1.amazonaws.com"
	const aw = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
	logsIn := func(user, region, profile string) []job {
		return []job{{user: user, logins: []login{{region: region, profile: profile}}}}
	}
	on := func(account, region, role string) instance {
		return instance{Instance: ecr.Instance{Account: account, Region: region, Role: role}, is: true}
	}
	role := func(names ...string) []profile {
		var all []profile
		for _, n := range names {
			all = append(all, profile{name: n, user: "ci", account: "111122223333"})
		}
		return all
	}
	registryA := registry.Registry{Account: "111122223333", Region: "us-east-1"}
	tests := []struct {
		name string
		env  string // NAME=VALUE
		h    host
		want string
	}{
		{"nothing", "", host{}, "us-east-1"},
		{"a region of the environment", "AWS_REGION=eu-west-1", host{}, "eu-west-1"},
		{"a region of the profile of the environment", "AWS_PROFILE=ci", host{profiles: []profile{{name: "default", region: "us-east-2"}, {name: "ci", region: "eu-west-1"}}}, "eu-west-1 as ci"},
		{"an instance", "", host{instance: on("111122223333", "eu-west-1", "r")}, "eu-west-1"},
		{"registries in order", "", host{mentions: mention("ci", b, a, aw)}, "eu-west-1 111122223333; us-east-1 111122223333; us-east-1 444455556666"},
		{"the rest", "", host{mentions: mention("ci", "public.ecr.aws", "ecr-public.aws.com", "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com", a)},
			"us-east-1 111122223333; 111122223333.dkr.ecr-fips.us-east-1.amazonaws.com; public.ecr.aws; ecr-public.aws.com"},
		{"images count alone", "", host{mentions: mention("", a)}, "us-east-1 111122223333"},
		{"images count no more beside a login", "", host{mentions: append(mention("", a), mention("ci", b)...)}, "us-east-1 444455556666"},
		{"a command with a region has made the login", "", host{mentions: mention("ci", a), jobs: logsIn("ci", "us-east-1", "p")}, "us-east-1 111122223333 as p"},
		{"a command of another user has not", "", host{mentions: mention("ci", a), jobs: logsIn("x", "us-east-1", "p")}, "us-east-1 111122223333; us-east-1 as p"},
		{"a command with a region only", "", host{jobs: logsIn("x", "us-east-1", "")}, "us-east-1"},
		{"own accounts of two profiles", "", host{jobs: append(logsIn("x", "us-east-1", "p"), logsIn("y", "us-east-1", "q")...)}, "us-east-1 as p; us-east-1 as q"},
		{"a command that cannot be made out", "", host{jobs: logsIn("x", "", "")}, "us-east-1"},
		{"the first command decides", "", host{jobs: append(logsIn("x", "us-east-1", "p"), job{user: "root", logins: []login{{profile: "q", registries: []registry.Registry{registryA}}}}),
			mentions: mention("x", a)}, "us-east-1 111122223333 as q"},
		{"a role in the account", "", host{mentions: mention("ci", a, b), profiles: role("prod")}, "us-east-1 444455556666; us-east-1 111122223333 as prod"},
		{"two roles in the account", "", host{mentions: mention("ci", a), profiles: role("p", "q")}, "us-east-1 111122223333"},
		{"the instance is of the account", "", host{mentions: mention("ci", a), instance: on("111122223333", "", "r"), profiles: role("p")}, "us-east-1 111122223333"},
		{"a command says without a profile", "", host{jobs: []job{{logins: []login{{registries: []registry.Registry{registryA}}}}}, profiles: role("prod")}, "us-east-1 111122223333"},
		{"an account without rights before one with them", "", host{jobs: []job{{weak: true, logins: []login{{registries: []registry.Registry{registryA}}}},
			{user: "ci", logins: []login{{profile: "p", registries: []registry.Registry{registryA}}}}}}, "us-east-1 111122223333 as p"},
		{"a command of an account without rights", "", host{jobs: []job{{weak: true, logins: []login{{profile: "p", registries: []registry.Registry{registryA}}}}}}, "us-east-1 111122223333"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, value, _ := strings.Cut(tt.env, "=")
			tt.h.Getenv = func(key string) string {
				if key == name {
					return value
				}
				return ""
			}
			if got := tellWants(tt.h.wants()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			draftOf(t, &tt.h)
		})
	}
}

func TestEndOfAJob(t *testing.T) {
	cron, script := place{"/etc/cron.d/ecr", 3}, "/usr/local/bin/login.sh"
	crontab := place{"/var/spool/cron/ci", 7}
	inside, line7 := []login{{line: 4}, {line: 4}, {line: 9}}, []login{{line: 7}}
	tests := []struct {
		name string
		j    job
		own  bool
		want string
	}{
		{"a line of cron", job{at: cron, logins: []login{{line: 3}}}, false, "sudoedit /etc/cron.d/ecr   # take out the login, line 3"},
		{"a script of cron", job{at: cron, script: script, logins: inside}, false,
			"sudoedit /usr/local/bin/login.sh   # take out the login, line 4, line 9; or, if it does nothing else: sudoedit /etc/cron.d/ecr, line 3"},
		{"a line of a crontab", job{user: "ci", at: crontab, logins: line7}, false, "sudo crontab -u ci -e   # take out the login, line 7"},
		{"a crontab's script", job{user: "ci", at: crontab, script: script, logins: line7}, false,
			"sudoedit /usr/local/bin/login.sh   # take out the login, line 7; or, if it does nothing else: sudo crontab -u ci -e, line 7"},
		{"a timer", job{unit: "ecr.timer", at: place{"/etc/systemd/system/ecr.service", 7}, logins: line7}, false,
			"sudoedit /etc/systemd/system/ecr.service   # take out the login, line 7; or, if it does nothing else: sudo systemctl disable --now ecr.timer"},
		{"a user's timer, by root", job{unit: "ecr.timer", user: "ci", at: place{"~ci/.config/systemd/user/ecr.service", 7}, logins: line7}, false,
			"sudoedit ~ci/.config/systemd/user/ecr.service   # take out the login, line 7; or, if it does nothing else: sudo systemctl --user -M ci@ disable --now ecr.timer"},
		{"one's own timer", job{unit: "ecr.timer", user: "ci", at: place{"~ci/.config/systemd/user/ecr.service", 7}, logins: line7}, true,
			"${EDITOR:-vi} ~ci/.config/systemd/user/ecr.service   # take out the login, line 7; or, if it does nothing else: systemctl --user disable --now ecr.timer"},
		{"an odd path", job{at: place{"/etc/cron.d/it's", 7}, logins: line7}, false, `sudoedit '/etc/cron.d/it'\''s'   # take out the login, line 7`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			editor := "sudoedit "
			if tt.own {
				editor = "${EDITOR:-vi} "
			}
			if got := strings.Join(tt.j.end(tt.own, editor).Commands, "\n"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A unit that logs in before it does its work must not be disabled unread.
func TestAServiceThatDoesMoreIsNotDisabled(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	write(t, root, "etc/systemd/system/app.service", "[Service]\nExecStartPre=/bin/sh -c 'aws ecr get-login-password --region us-east-1 | docker login -u AWS --password-stdin 111122223333.dkr.ecr.us-east-1.amazonaws.com'\nExecStart=/usr/bin/docker run app\n")
	h := lookBelow(t, root, nil)
	if len(h.jobs) != 1 {
		t.Fatalf("jobs %+v", h.jobs)
	}
	if got := h.jobs[0].end(false, "sudoedit ").Commands[0]; !strings.HasPrefix(got, "sudoedit /etc/systemd/system/app.service   # take out the login, line 2;") {
		t.Error(got)
	}
}

func TestCredentialsReachTheService(t *testing.T) {
	role := instance{Instance: ecr.Instance{Account: "111122223333", Region: "us-east-1", Role: "build"}, is: true}
	files := []sharedFile{{"/root/.aws/credentials", "root"}, {"/home/ci/.aws/config", "ci"}}
	ci := []profile{{name: "ci", user: "ci"}}
	tests := []struct {
		name string
		h    host
		of   string // the profile of the want
		want string // part of the last command; empty for no step
	}{
		{"a role", host{instance: role, files: files}, "", ""},
		{"a role and a profile", host{instance: role, files: files, profiles: ci}, "ci", " /home/ci/.aws/config /var/lib/ecr-refreshd/.aws/"},
		{"an instance without a role", host{instance: instance{is: true}, files: files}, "", " /root/.aws/credentials /var/lib/ecr-refreshd/.aws/"},
		{"files of who logs in today", host{files: files, jobs: []job{{user: "ci"}}}, "", " /home/ci/.aws/config "},
		{"its own files", host{files: append(files, sharedFile{"/var/lib/ecr-refreshd/.aws/config", "ecr-refreshd"})}, "", ""},
		{"keys by a drop-in", host{files: files, keys: true}, "", ""},
		{"nothing", host{}, "", "chown ecr-refreshd:"},
		{"a user's own files", host{Options: Options{Own: true}, files: files}, "", ""},
		{"a user without files", host{Options: Options{Own: true}}, "", "aws configure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, step := range tt.h.credentials([]*want{{profile: tt.of}}) {
				got = step.Commands[len(step.Commands)-1]
			}
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
