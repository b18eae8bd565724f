package clientview

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// regctlRows is the table of regctl, which puts the logins of a host together from its own
// file, DOCKER_AUTH_CONFIG and docker's file.
var regctlRows = []row{
	{name: "regctl's own file", config: `{"auths": {"HOST": {"auth": "STALE"}}}`, files: map[string]string{regctlOwn: "{\"hosts\":\n{\"HOST\": {\"user\": \"AWS\", \"pass\": \"s3cret-good\"}}}"}, key: `hosts["HOST"]`, line: 2, sends: "GOOD", hidden: []string{`auths["HOST"]`}},
	{name: "regctl's own file hides docker's helper", config: `{"credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-stale"}}}`}, key: `hosts["HOST"]`, sends: "STALE", hidden: []string{`credHelpers["HOST"]`}},
	{name: "regctl's own file with other settings", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"hostname": "HOST", "reqConcurrent": 1}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a user in regctl's own file and the password in docker's", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS"}}}`}, key: `hosts["HOST"]`, sends: "GOOD"},
	{name: "a helper in regctl's own file", config: `{` + fine + `}`, helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"credHelper": "docker-credential-stub"}}}`}, key: `hosts["HOST"].credHelper`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper in regctl's own file by its path", helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"credHelper": "HOME/bin/docker-credential-stub"}}}`}, key: `hosts["HOST"].credHelper`, helper: "HOME/bin/docker-credential-stub"},
	{name: "a helper in regctl's own file for all", helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hostDefault": {"credHelper": "docker-credential-stub"}}`}, key: `hostDefault.credHelper`, helper: "stub"},
	{name: "a helper for all and docker's login", config: `{` + fine + `}`, helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hostDefault": {"credHelper": "docker-credential-stub"}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a helper for all and a login of its own", helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-good"}}, "hostDefault": {"credHelper": "docker-credential-stub"}}`}, key: `hosts["HOST"]`, sends: "GOOD", hidden: []string{"hostDefault.credHelper"}},
	{name: "regctl asks the helper for another name", helpers: map[string]string{"stub": answers}, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"credHelper": "docker-credential-stub", "credHost": "other.example"}}}`}, key: `hosts["HOST"].credHelper`, helper: "stub", note: `asks the helper for "other.example"`},
	{name: "regctl's own file without docker's", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{"incDockerCred": false}`}, fault: "no login for it"},
	{name: "regctl's own file with docker's", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{"incDockerCred": true}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "regctl's own file is not JSON", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{`}, key: `auths["HOST"]`, sends: "GOOD", note: "passes its own file over"},
	{name: "regctl's own file is of a wrong shape", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": 1}}}`}, key: `auths["HOST"]`, sends: "GOOD", note: `hosts["HOST"].pass`},
	{name: "regctl's own file of a newer kind", files: map[string]string{regctlOwn: `{"version": 2, "hosts": {"HOST": {"user": "AWS", "pass": "s3cret-good"}}}`}, key: `hosts["HOST"]`, sends: "GOOD"},
	{name: "regctl's own file is empty", config: `{` + fine + `}`, files: map[string]string{regctlOwn: ``}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "regctl's own file by a URL", config: `{` + fine + `}`, files: map[string]string{regctlOwn: `{"hosts": {"https://HOST": {"user": "AWS", "pass": "s3cret-stale"}}}`}, key: `auths["HOST"]`, sends: "GOOD", hidden: []string{`hosts["https://HOST"]`}, fault: "at random", chance: true},
	{name: "regctl's own file by a URL, alone", files: map[string]string{regctlOwn: `{"hosts": {"https://HOST": {"user": "AWS", "pass": "s3cret-good"}}}`}, key: `hosts["https://HOST"]`, sends: "GOOD"},
	{name: "an http URL", config: `{"auths": {"http://HOST": {"auth": "GOOD"}}}`, key: `auths["http://HOST"]`, sends: "GOOD", note: "without TLS"},
	{name: "regctl's other place", files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-stale"}}}`, ".config/regctl/config.json": `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-good"}}}`}, key: `hosts["HOST"]`, sends: "GOOD"},
	{name: "REGCTL_CONFIG", files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-stale"}}}`, "r.json": `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-good"}}}`}, env: map[string]string{"REGCTL_CONFIG": "HOME/r.json"}, key: `hosts["HOST"]`, sends: "GOOD"},
	{name: "a helper that fails before auths", config: `{"credHelpers": {"HOST": "stub"}, ` + fine + `}`, helpers: map[string]string{"stub": fails}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that knows nothing before auths", config: `{"credHelpers": {"HOST": "stub"}, ` + fine + `}`, helpers: map[string]string{"stub": notFound}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that is missing before auths", config: `{"credHelpers": {"HOST": "stub"}, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD", note: "it is missing"},
	{name: "a helper that is missing", config: `{"credHelpers": {"HOST": "stub"}}`, key: `credHelpers["HOST"]`, helper: "stub", fault: "it is missing"},
	{name: "an entry that is no base64 takes its helper along", config: `{"credHelpers": {"HOST": "stub"}, "auths": {"HOST": {"auth": "-"}}}`, helpers: map[string]string{"stub": answers}, fault: "no login for it"},
	{name: "an empty entry leaves its helper", config: `{"credHelpers": {"HOST": "stub"}, "auths": {"HOST": {}}}`, helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, helper: "stub"},
	{name: "a helper under a URL takes the entry away", config: `{"credHelpers": {"https://HOST": "stub"}, ` + fine + `}`, helpers: map[string]string{"stub": fails}, key: `credHelpers["https://HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "credsStore before credHelpers", config: `{"credsStore": "store", "credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"store": answers, "stub": answers}, key: "credsStore", helper: "store", hidden: []string{`credHelpers["HOST"]`}},
	{name: "a credsStore that knows nothing", config: `{"credsStore": "store", "credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"store": notFound, "stub": answers}, key: "credsStore", helper: "store", hidden: []string{`credHelpers["HOST"]`}},
	{name: "a missing credsStore before all", config: `{"credsStore": "store", "credHelpers": {"HOST": "stub"}, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD", note: "docker-credential-store"},
	{name: "a URL and the host", config: `{"auths": {"https://HOST": {"auth": "STALE"}, ` + good + `}}`, key: `auths["HOST"]`, sends: "GOOD", hidden: []string{`auths["https://HOST"]`}, fault: "at random", chance: true},
	{name: "a URL with a slash", config: `{"auths": {"https://HOST/": {"auth": "GOOD"}}}`, key: `auths["https://HOST/"]`, sends: "GOOD"},
	{name: "a URL with a path", config: `{"auths": {"https://HOST/v1/": {"auth": "GOOD"}}}`, fault: "no login for it"},
	{name: "another scheme", config: `{"auths": {"oci://HOST": {"auth": "GOOD"}}}`, fault: "no login for it"},
	{name: "an identity token to regctl", config: `{"auths": {"HOST": {"identitytoken": "s3cret-token"}}}`, key: `auths["HOST"]`, fault: "holds a token"},
	{name: "a wrong type is fatal for docker's file", config: `{"proxies": [], ` + fine + `}`, fault: "regctl gives up"},
	{name: "a wrong type, beside a login of its own", config: `{"proxies": [], "auths": {"HOST": {"auth": "STALE"}}}`, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-good"}}}`}, key: `hosts["HOST"]`, sends: "GOOD", note: "regctl gives up"},
	{name: "keys that docker reads and regctl does not", config: `{"features": {"buildkit": true}, "plugins": 1, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "the variable before a helper", config: `{"credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"stub": answers}, env: map[string]string{authVariable: `{` + fine + `}`}, key: authVariable + `: auths["HOST"]`, sends: "GOOD", hidden: []string{`credHelpers["HOST"]`}},
	{name: "a helper in the variable", config: `{` + fine + `}`, helpers: map[string]string{"stub": answers}, env: map[string]string{authVariable: `{"credHelpers": {"HOST": "stub"}}`}, key: authVariable + `: credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a broken variable takes docker's file along", config: `{` + fine + `}`, env: map[string]string{authVariable: `{`}, fault: "regctl gives up \"DOCKER_AUTH_CONFIG\""},
	{name: "regctl's file before the variable", env: map[string]string{authVariable: `{"auths": {"HOST": {"auth": "STALE"}}}`}, files: map[string]string{regctlOwn: `{"hosts": {"HOST": {"user": "AWS", "pass": "s3cret-good"}}}`}, key: `hosts["HOST"]`, sends: "GOOD", hidden: []string{authVariable + `: auths["HOST"]`}},
}

const regctlOwn = ".regctl/config.json"

func TestRegctlsAnswers(t *testing.T) {
	for _, r := range regctlRows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{ecrHost, t.TempDir()}
			r.lay(t, s)
			r.helper = s.fill(r.helper)
			r.compare(t, s, r.eye(s).Look(Regctl, s.host))
		})
	}
}

// expectedOfRegctl is what the answer means for regctl, which tries without a login what
// it has none for.
func (r row) expectedOfRegctl(l Login, program State) []sent {
	name := l.Helper[strings.LastIndex(l.Helper, "/")+1:]
	name = strings.TrimPrefix(name, helperPrefix)
	switch {
	case l.Helper != "" && program == Found && r.does(name) == answers:
		return []sent{{Username: "helper", Password: "from-" + name}}
	case l.Helper != "" && l.Behind != nil:
		return r.expectedOfRegctl(*l.Behind, Found)
	case l.Chance:
		return []sent{{Username: l.Username, Password: l.Secret.Reveal()}, {Username: "AWS", Password: secrets["GOOD"]}, {Username: "AWS", Password: secrets["STALE"]}}
	}
	return []sent{{Username: l.Username, Password: l.Secret.Reveal()}}
}

func TestRegctlAgrees(t *testing.T) {
	regctl := need(t, "regctl")
	registry := newRegistry(t)
	for i, r := range slices.Concat(rows, containersRows, helmRows, regctlRows) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{registry.host, t.TempDir()}
			r.lay(t, s)
			a := r.eye(s).Look(Regctl, s.host)
			repository := fmt.Sprintf("row-%d", i)
			_, said, err := run(t, "", t.TempDir(), r.environ(s, "SSL_CERT_FILE="+registry.ca), regctl, "manifest", "get", s.host+"/"+repository)
			if err == nil {
				t.Fatal("there is such an image")
			}
			got := registry.login(repository)
			switch {
			case strings.Contains(said, "HTTP request to an HTTPS server") && strings.Contains(strings.Join(a.Notes, " "), "without TLS"):
				return
			case got.Failed:
				t.Fatalf("regctl says %s", said)
			}
			r.agree(t, "regctl", a, r.expectedOfRegctl(a.Login, a.Program.State), got)
		})
	}
}
