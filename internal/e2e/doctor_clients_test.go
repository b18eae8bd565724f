package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/testbed"
)

// byHand makes a host on which nothing keeps docker's file, which has this text.
func byHand(text string) func(p *patient) {
	return func(p *patient) {
		p.reconfigure(noFile + p.settings(p.aws.Endpoint()))
		p.configJSON(text)
	}
}

// illnessesOfClients are those of what an account's clients read.
func illnessesOfClients() []illness {
	return []illness{
		{name: "an old token", harm: byHand(`{"auths": {"HOST": {"auth": "STALE"}}}`), stop: "client", want: "sends another token", where: "config.json:1", cure: "configure-docker"},
		{name: "an old token by its address", harm: byHand(`{"auths": {"https://HOST": {"auth": "STALE"}}}`), stop: "client", want: "sends another token", where: "https://"},
		{name: "no login", harm: byHand(`{}`), stop: "client", want: "sends no login", cure: "ecr-refreshd configure-docker"},
		{name: "proxies", harm: byHand(`{"proxies": {"default": "http://p:3128"}, "auths": {"HOST": {"auth": "STALE"}}}`), stop: "client", want: "proxies.default", where: "config.json",
			cure: "correct proxies.default"},
		{name: "experimental", harm: byHand(`{"experimental": true, "auths": {"HOST": {"auth": "STALE"}}}`), stop: "client", want: "experimental", where: "config.json", cure: "quotes"},
		{name: "an entry of another host", harm: byHand(`{"auths": {"old.example": {"auth": "not base64"}, "HOST": {"auth": "STALE"}}}`), stop: "client", want: "old.example", where: "config.json"},
		{name: "a comma too many", harm: byHand(`{"auths": {"HOST": {"auth": "STALE"}},}`), stop: "client", want: "config.json", cure: "config.json.old"},
		{name: "helpers of the wrong shape", harm: byHand(`{"credHelpers": ["ecr-refreshd"]}`), stop: "client", want: "credHelpers", cure: "config.json.old"},
		{name: "a byte order mark", harm: byHand("\ufeff{}"), stop: "client", want: "byte order mark", cure: "sed -i"},
		{name: "an empty entry", harm: byHand(`{"auths": {"HOST": {}}}`), stop: "client", want: "holds no login", where: "config.json:1", cure: "configure-docker"},
		{name: "a helper that is not installed", harm: byHand(`{"credHelpers": {"HOST": "ecr-login-of-nobody"}}`), stop: "client", want: "docker-credential-ecr-login-of-nobody", where: "credHelpers"},
		{name: "a store that is not installed", harm: byHand(`{"credsStore": "desktop"}`), stop: "client", want: "docker-credential-desktop", where: "credsStore"},
		{name: "our helper, not on PATH", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = p.patientEnv("/usr/bin:/bin")
		}, stop: "client", want: "docker-credential-ecr-refreshd", cure: "ln -sf"},
		{name: "our helper, not executable", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = p.patientEnv("/usr/bin:/bin")
			p.program("docker-credential-ecr-refreshd", "exec "+p.helperPath()+` "$@"`)
			must(p.t, os.Chmod(filepath.Join(p.tools, "docker-credential-ecr-refreshd"), 0o644))
		}, stop: "client", want: "not executable", cure: "chmod a+x"},
		{name: "DOCKER_CONFIG names the file", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = append(p.env, "DOCKER_CONFIG="+configOf(p.root))
		}, stop: "client", want: "not a directory", cure: "export DOCKER_CONFIG="},
		{name: "DOCKER_AUTH_CONFIG in front", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			variable := `DOCKER_AUTH_CONFIG={"auths": {"` + p.host + `": {"auth": "` + stale + `"}}}`
			p.put(filepath.Join(p.root.Home, ".profile"), "# the agent's\nexport "+variable+"\n")
			p.env = append(p.env, variable)
		}, stop: "client", want: "sends another token", where: "DOCKER_AUTH_CONFIG", cure: ".profile:2"},
		{name: "a file that is a directory", harm: func(p *patient) {
			p.reconfigure(noFile + p.settings(p.aws.Endpoint()))
			must(p.t, os.RemoveAll(configOf(p.root)))
			must(p.t, os.MkdirAll(configOf(p.root), 0o700))
		}, stop: "client", want: "config.json", cure: "mv -n"},
		{name: "a file where the directory has to be", harm: func(p *patient) {
			p.reconfigure(noFile + p.settings(p.aws.Endpoint()))
			must(p.t, os.RemoveAll(filepath.Dir(configOf(p.root))))
			must(p.t, os.WriteFile(filepath.Dir(configOf(p.root)), nil, 0o600))
		}, stop: "client", want: "not a directory", cure: ".docker.old"},
		{name: "a home whose name is a command", harm: func(p *patient) {
			p.root.Home = filepath.Join(p.root.Home, "it's $(touch owned) `touch owned` \"; touch owned; #")
			p.t.Cleanup(func() {
				if _, err := os.Lstat(filepath.Join(p.bed.Dir, "owned")); err == nil {
					p.t.Error("the name of the home was run")
				}
			})
			byHand(`{"auths": {"HOST": {"auth": "STALE"}}`)(p)
		}, stop: "client", want: "not JSON", cure: `it'\''s $(touch owned)`},
		{name: "an old file of skopeo's", harm: func(p *patient) {
			if _, err := exec.LookPath("skopeo"); err != nil {
				lacks(p.t, &testbed.LackError{What: "skopeo", Remedy: "apt-get install skopeo"})
			}
			p.put(filepath.Join(p.root.Home, ".config/containers/auth.json"), `{"auths": {"HOST": {"auth": "STALE"}, "other.example": {"auth": "dTpw"}}}`)
			p.flags = []string{"--client", "skopeo"}
		}, stop: "client", want: "sends another token", where: "auth.json", cure: "skopeo logout"},
		{name: "another account's file, root's after sudo docker login", harm: func(p *patient) {
			guest := p.bed.Account("guest")
			p.reconfigure(noFile + p.access(p.aws.Endpoint()) + p.socketFor("users: [guest]"))
			must(p.t, os.MkdirAll(filepath.Dir(configOf(guest)), 0o755))
			p.put(configOf(guest), `{"credHelpers": {"HOST": "ecr-refreshd"}}`)
			// Of another account, doctor knows no more than what a login sets.
			must(p.t, unix.Mount("tmpfs", "/usr/local/sbin", "tmpfs", 0, "mode=0755"))
			helper := "#!/bin/sh\nECR_REFRESHD_SOCKET=" + p.socket() + " exec " + p.helperPath() + ` "$@"`
			must(p.t, os.WriteFile("/usr/local/sbin/docker-credential-ecr-refreshd", []byte(helper+"\n"), 0o755))
			p.t.Cleanup(func() {
				must(p.t, unix.Unmount("/usr/local/sbin", unix.MNT_DETACH))
				for _, dir := range []string{".docker", ".docker.old"} {
					must(p.t, os.RemoveAll(filepath.Join(guest.Home, dir)))
				}
			})
			p.as = guest.Name
		}, stop: "client", want: "permission denied", cure: "sudo -u guest mv -n"},
	}
}

// TestDoctorLeavesHealthyHostsAlone: what is unusual is no fault.
func TestDoctorLeavesHealthyHostsAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudHealthy, time.Hour)
	const both = `{"auths": {"HOST": {"auth": "STALE"}}, "credHelpers": {"HOST": "ecr-refreshd"}}`
	tests := []struct {
		name string
		make func(p *patient)
	}{
		{"tokens in the file", (*patient).reset},
		{"the helper's name in the file", func(p *patient) { p.reconfigure(byHelper + p.settings(p.aws.Endpoint())) }},
		{"the helper for all", byHand(`{"credsStore": "ecr-refreshd"}`)},
		{"the helper in front of an old token", byHand(both)},
		{"keys that docker does not know", byHand(`{"x": [1], "HttpHeaders": {"a": "b"}, "credHelpers": {"HOST": "ecr-refreshd"}}`)},
		{"a wrong key in front of the helper", byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}, "detachKeys": "ctrl-q"}`)},
		{"logins for others", byHand(`{"auths": {"ghcr.io": {"auth": "dTpw"}}, "credHelpers": {"HOST": "ecr-refreshd"}}`)},
		{"a link to elsewhere", func(p *patient) {
			p.reset()
			p.awaitHealthy()
			moved := filepath.Join(p.root.Home, "dotfiles.json")
			must(p.t, os.Rename(configOf(p.root), moved))
			must(p.t, os.Symlink(moved, configOf(p.root)))
		}},
		{"DOCKER_CONFIG", func(p *patient) {
			dir := filepath.Join(p.root.Home, "agent")
			p.put(filepath.Join(dir, "config.json"), `{"credHelpers": {"HOST": "ecr-refreshd"}}`)
			p.reconfigure(noFile + p.settings(p.aws.Endpoint()))
			p.env = append(p.env, "DOCKER_CONFIG="+dir)
		}},
		{"DOCKER_AUTH_CONFIG of another registry", func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = append(p.env, `DOCKER_AUTH_CONFIG={"auths": {"ghcr.io": {"auth": "dTpw"}}}`)
		}},
		{"a regional mirror's login of its own", byHand(`{"auths": {"HOST": {"auth": "dTpw"}}}`)},
		{"another account without ECR", func(p *patient) {
			p.reset()
			p.put(filepath.Join(p.bed.Account("late").Home, "note"), "")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := s.patient(t)
			tt.make(p)
			p.awaitHealthy()
			checks, _ := p.examine()
			if i := slices.IndexFunc(checks, func(c check) bool { return c.Stop == "token" }); i < 0 || !strings.Contains(checks[i].Text, "with credentials from profile") {
				t.Errorf("the token's source is not said: %+v", checks)
			}
		})
	}
}
