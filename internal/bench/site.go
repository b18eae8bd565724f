package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

// registriesAt is where the registries of all names are.
const registriesAt = "127.0.0.1"

// standardPath comes before the caller's own: wrappers of version managers, which
// take time of their own, are not what a cron line runs.
const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// site is the place where everything is measured: an emulated AWS, an engine
// where there is one, and a directory on a real disk, since writing to disk is
// part of what is measured.
type site struct {
	programs
	dir     string
	aws     *emulator.Server
	far     *farAWS // nil where nothing can lead clients to it
	engine  string  // as in $DOCKER_HOST; empty where there is none
	path    string  // where the measured commands are looked for, as in $PATH
	env     []string
	lacking []string // what could not be measured with, and why
	close   func()
}

// openSite starts everything. In the test bed it has an engine, elsewhere not.
func openSite(ctx context.Context, dir string, built programs, largest fleet) (s *site, err error) {
	s = &site{programs: built, dir: dir, path: standardPath + ":" + os.Getenv("PATH"), close: func() {}}
	credentials := filepath.Join(dir, "credentials")
	if err := os.WriteFile(credentials, []byte(largest.credentials()), 0o600); err != nil {
		return nil, err
	}
	s.env = []string{
		"PATH=" + s.path, "HOME=" + dir, "LANG=C.UTF-8", "RUNTIME_DIRECTORY=" + filepath.Join(dir, "run"), "STATE_DIRECTORY=" + dir,
		"AWS_SHARED_CREDENTIALS_FILE=" + credentials, "AWS_CONFIG_FILE=" + filepath.Join(dir, "aws-config"),
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=" + profile(0),
	}
	people := emulator.Options{Principals: largest.principals()}
	if !testbed.Inside() {
		s.aws, err = emulator.Start(people)
		if err != nil {
			return nil, err
		}
		s.close = s.aws.Close
		return s, nil
	}
	hosts := map[string]string{farName: farAt}
	for _, name := range largest.names() {
		hosts[name] = registriesAt
	}
	bed, err := testbed.Open(testbed.Options{Hosts: hosts})
	if err != nil {
		return nil, err
	}
	people.RegistryAddr = registriesAt + ":443" // real host names have no port
	if s.aws, err = emulator.Start(people); err != nil {
		return nil, err
	}
	s.close = s.aws.Close
	if s.far, err = openFar(dir, s.aws.Endpoint()); err != nil {
		s.close()
		return nil, err
	}
	s.close = func() {
		s.far.close()
		s.aws.Close()
	}
	// The engine is to trust the registries as it trusts real ones: by the
	// machine's authorities, and not by a directory that it reads for each host.
	authorities := filepath.Join(dir, "ca.pem")
	if err := errors.Join(os.WriteFile(authorities, s.aws.CA(), 0o600), os.Setenv("SSL_CERT_FILE", authorities)); err != nil {
		s.close()
		return nil, err
	}
	engine, err := bed.StartEngine(ctx)
	var lack *testbed.LackError
	switch {
	case errors.As(err, &lack):
		s.lacking = append(s.lacking, lack.Error())
	case err != nil:
		s.close()
		return nil, err
	default:
		s.engine = engine.Host()
		s.env = append(s.env, "DOCKER_HOST="+s.engine)
		withoutEngine := s.close
		s.close = func() {
			_ = engine.Remove() // the bed takes what is left
			withoutEngine()
		}
	}
	return s, nil
}

// targets is how many targets a login goes to.
func targets(engine string) int {
	if engine == "" {
		return 1
	}
	return 2
}

// write makes a configuration for so many hosts, and an empty directory for the
// logins and the socket. An empty endpoint is the one of AWS.
func (s *site) write(hosts int, endpoint, engine string) (path, socket string, err error) {
	f, err := fleetOf(hosts)
	if err != nil {
		return "", "", err
	}
	dir, err := os.MkdirTemp(s.dir, "client-")
	if err != nil {
		return "", "", err
	}
	path, socket = filepath.Join(dir, "ecr-refreshd.yaml"), filepath.Join(dir, "ecr-refreshd.sock")
	text := f.config(endpoint, []string{filepath.Join(dir, "docker", "config.json")}, engine, socket)
	return path, socket, os.WriteFile(path, []byte(text), 0o600)
}

// start starts a daemon for so many hosts, none of which is logged in to yet.
func (s *site) start(hosts int, engine string) (*daemon, error) {
	config, _, err := s.write(hosts, s.aws.Endpoint(), engine)
	if err != nil {
		return nil, err
	}
	return startDaemon(s.daemon, s.env, config, "debug", hosts, targets(engine))
}

// find gives the program that the measured commands will run, or "".
func (s *site) find(program string) string {
	for _, dir := range filepath.SplitList(s.path) {
		path, err := exec.LookPath(filepath.Join(dir, program))
		if err == nil {
			return path
		}
	}
	return ""
}

// version is what a program says about itself, on one line.
func (s *site) version(ctx context.Context, program, flag string) string {
	cmd := exec.CommandContext(ctx, program, flag)
	cmd.Env = s.env
	out, err := cmd.Output()
	if err != nil {
		return fmt.Sprintf("%s: %v", program, err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}
