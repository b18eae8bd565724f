package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// corrected takes a file of the account away and gives it the credential helper.
func corrected(p *patient) {
	must(p.t, os.RemoveAll(filepath.Dir(configOf(p.root))))
	p.follow("ecr-refreshd configure-docker")
}

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
		{name: "an old token", harm: byHand(`{"auths": {"HOST": {"auth": "STALE"}}}`), stop: "client", want: "sends another token", where: "config.json:1", cure: "configure-docker", edit: corrected},
		{name: "an old token by its address", harm: byHand(`{"auths": {"https://HOST": {"auth": "STALE"}}}`), stop: "client", want: "sends another token", where: "https://", edit: corrected},
		{name: "no login", harm: byHand(`{}`), stop: "client", want: "sends no login", cure: "ecr-refreshd configure-docker"},
		{name: "proxies", harm: byHand(`{"proxies": {"default": "http://p:3128"}, "auths": {"HOST": {"auth": "STALE"}}}`), stop: "client", want: "proxies.default", where: "config.json",
			cure: "proxies", edit: corrected},
		{name: "experimental", harm: byHand(`{"experimental": true, "auths": {"HOST": {"auth": "STALE"}}}`), stop: "client", want: "experimental", where: "config.json", edit: corrected},
		{name: "an entry of another host", harm: byHand(`{"auths": {"old.example": {"auth": "not base64"}, "HOST": {"auth": "STALE"}}}`), stop: "client", want: "old.example", where: "config.json",
			edit: corrected},
		{name: "a comma too many", harm: byHand(`{"auths": {"HOST": {"auth": "STALE"}},}`), stop: "client", want: "config.json", edit: corrected},
		{name: "a byte order mark", harm: byHand("\ufeff{}"), stop: "client", want: "byte order mark", edit: corrected},
		{name: "an empty entry", harm: byHand(`{"auths": {"HOST": {}}}`), stop: "client", want: "holds no login", where: "config.json:1", cure: "delete the entry", edit: corrected},
		{name: "a helper that is not installed", harm: byHand(`{"credHelpers": {"HOST": "ecr-login-of-nobody"}}`), stop: "client", want: "docker-credential-ecr-login-of-nobody", where: "credHelpers",
			edit: corrected},
		{name: "a store that is not installed", harm: byHand(`{"credsStore": "desktop"}`), stop: "client", want: "docker-credential-desktop", where: "credsStore", edit: corrected},
		{name: "our helper, not on PATH", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = append(p.env, "PATH=/usr/bin:/bin")
		}, stop: "client", want: "docker-credential-ecr-refreshd", edit: func(p *patient) { p.env = p.clientEnv(p.engine) }},
		{name: "DOCKER_CONFIG names the file", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = append(p.env, "DOCKER_CONFIG="+configOf(p.root))
		}, stop: "client", want: "not a directory", cure: "DOCKER_CONFIG", edit: func(p *patient) { p.env = p.clientEnv(p.engine) }},
		{name: "DOCKER_AUTH_CONFIG in front", harm: func(p *patient) {
			byHand(`{"credHelpers": {"HOST": "ecr-refreshd"}}`)(p)
			p.env = append(p.env, `DOCKER_AUTH_CONFIG={"auths": {"`+p.host+`": {"auth": "`+stale+`"}}}`)
		}, stop: "client", want: "sends another token", where: "DOCKER_AUTH_CONFIG", edit: func(p *patient) { p.env = p.clientEnv(p.engine) }},
		{name: "a file that is a directory", harm: func(p *patient) {
			p.reconfigure(noFile + p.settings(p.aws.Endpoint()))
			must(p.t, os.RemoveAll(configOf(p.root)))
			must(p.t, os.MkdirAll(configOf(p.root), 0o700))
		}, stop: "client", want: "config.json", edit: corrected},
		{name: "an old file of skopeo's", harm: func(p *patient) {
			p.put(filepath.Join(p.root.Home, ".config/containers/auth.json"), `{"auths": {"HOST": {"auth": "STALE"}}}`)
			p.flags = []string{"--client", "skopeo"}
		}, stop: "client", want: "sends another token", where: "auth.json", cure: "auth.json", edit: func(p *patient) {
			must(p.t, os.Remove(filepath.Join(p.root.Home, ".config/containers/auth.json")))
		}},
		{name: "another account's file, root's after sudo docker login", harm: func(p *patient) {
			guest := p.bed.Account("guest")
			must(p.t, os.MkdirAll(filepath.Dir(configOf(guest)), 0o755))
			p.put(configOf(guest), `{"credHelpers": {"HOST": "ecr-refreshd"}}`)
			p.t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(configOf(guest))) })
			p.as = guest.Name
		}, stop: "client", want: "permission denied", cure: "namei -l", edit: func(p *patient) { p.as = "" }},
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
		})
	}
}
