package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ecr-refreshd/internal/testbed"
)

// helperName is what config.json calls the credential helper.
const helperName = "ecr-refreshd"

// helperPath is where the helper is.
func (m *machine) helperPath() string { return filepath.Join(m.bin, "docker-credential-"+helperName) }

// helperTarget has the account's config.json name the helper; no token is in it.
const helperTarget = "targets: [{type: docker-config, delivery: helper}]\n"

// usersHelper has the config.json of these accounts name the helper.
func usersHelper(accounts ...string) string {
	text := "targets:\n"
	for _, name := range accounts {
		text += "  - {type: docker-config, delivery: helper, user: " + name + "}\n"
	}
	return text
}

// socketFor is the daemon's socket with who gets a secret beyond root.
func (s *scene) socketFor(allow string) string {
	return "socket: {path: " + s.socket() + ", allow: {" + allow + "}}\n"
}

// helperEnv leads a client to the helper and the helper to the scene's daemon.
func (s *scene) helperEnv() []string {
	return []string{"PATH=" + s.bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "ECR_REFRESHD_SOCKET=" + s.socket()}
}

// clientEnv also leads it to an engine, and lets one that does without trust the
// scene's registries.
func (s *scene) clientEnv(engine *testbed.Engine) []string {
	return slices.Concat(s.helperEnv(), s.engineEnv(engine), []string{"SSL_CERT_FILE=/etc/docker/certs.d/" + s.cloud.hosts()[0] + "/ca.crt"})
}

// helper runs the helper as a client does. What it prints may be a secret, and
// is no part of the transcript.
func (s *scene) helper(as testbed.Account, action, stdin string) (out string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := s.bed.Command(ctx, as, s.helperEnv(), s.helperPath(), action)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	s.printed.add(helperName+" "+action, stderr.Bytes())
	if cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// get gives the helper's login for the host. The error has what it said instead.
func (s *scene) get(as testbed.Account, host string) (login, error) {
	s.t.Helper()
	out, code := s.helper(as, "get", host)
	if code != 0 {
		s.printed.add("helper get", []byte(out))
		return login{}, fmt.Errorf("exit code %d: %s", code, out)
	}
	return s.answer(host, []byte(out))
}

// answer reads what the helper has printed for the host.
func (s *scene) answer(host string, out []byte) (login, error) {
	var answer struct{ ServerURL, Username, Secret string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return login{}, fmt.Errorf("not an answer: %w", err)
	}
	s.printed.password(answer.Username, answer.Secret)
	if answer.ServerURL != host {
		return login{}, fmt.Errorf("a login for %q", answer.ServerURL)
	}
	return login{answer.Username, answer.Secret}, s.aws.Check(host, answer.Username, answer.Secret)
}

// awaitHelper waits until config.json names the helper for the hosts, and the helper
// has logins for them.
func (s *scene) awaitHelper(as testbed.Account, hosts ...string) {
	s.t.Helper()
	s.awaitNamed(as, hosts...)
	for _, host := range hosts {
		await(s.t, func() (bool, string) {
			_, err := s.get(as, host)
			return err == nil, fmt.Sprintf("get %q: %v", host, err)
		})
	}
}

// awaitNamed waits until config.json names the helper for the hosts.
func (s *scene) awaitNamed(as testbed.Account, hosts ...string) {
	s.t.Helper()
	await(s.t, func() (bool, string) {
		named, err := readHelpers(configOf(as))
		for _, host := range hosts {
			if err == nil && named[host] != helperName {
				err = fmt.Errorf("%q names %q for %q", configOf(as), named[host], host)
			}
		}
		return err == nil, fmt.Sprint(err)
	})
}

// awaitNextTokens waits until no token is valid any more that anybody can have
// used for the hosts so far.
func (s *scene) awaitNextTokens(as testbed.Account, hosts ...string) {
	s.t.Helper()
	newest := make(map[string]login)
	for _, host := range hosts {
		var err error
		newest[host], err = s.get(as, host)
		must(s.t, err)
	}
	await(s.t, func() (bool, string) {
		for host, l := range newest {
			if s.aws.Check(host, l.username, l.password) == nil {
				return false, "the end of a token for " + host
			}
		}
		return true, ""
	})
}

// readHelpers reads the helpers that a config.json names, by host.
func readHelpers(path string) (map[string]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct{ CredHelpers map[string]string }
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("parse %q: %w", path, err)
	}
	return file.CredHelpers, nil
}

// wantOnlyHelpers checks that no password is in the file.
func (s *scene) wantOnlyHelpers(path string) {
	s.t.Helper()
	logins, err := readLogins(path)
	must(s.t, err)
	for host, l := range logins {
		if l != (login{}) {
			s.t.Errorf("%q holds a login for %q", path, host)
		}
	}
}
