package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// login is an entry of "auths" in a config.json.
type login struct{ username, password string }

// readLogins reads a config.json as docker does, by host.
func readLogins(path string) (map[string]login, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Auths map[string]struct{ Auth string }
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("parse %q: %w", path, err)
	}
	logins := make(map[string]login)
	for host, entry := range file.Auths {
		basic, err := base64.StdEncoding.DecodeString(entry.Auth)
		if err != nil {
			return nil, fmt.Errorf("parse %q: entry %q: %w", path, host, err)
		}
		username, password, _ := strings.Cut(string(basic), ":")
		logins[host] = login{username, password}
	}
	return logins, nil
}

// accepted says which of the hosts has no login in the file that its registry
// takes now, or nothing.
func (s *scene) accepted(path string, hosts ...string) error {
	logins, err := readLogins(path)
	if err != nil {
		return err
	}
	for _, l := range logins {
		s.printed.password(l.username, l.password)
	}
	for _, host := range hosts {
		l, ok := logins[host]
		if !ok {
			return fmt.Errorf("%q has no entry for %q", path, host)
		}
		if err := s.aws.Check(host, l.username, l.password); err != nil {
			return err
		}
		if len(l.password) < s.cloud.tokenBytes {
			return fmt.Errorf("the password for %q in %q has %d bytes, want at least %d", host, path, len(l.password), s.cloud.tokenBytes)
		}
	}
	return nil
}

// awaitAccepted waits until every host has a login in the file that its
// registry takes.
func (s *scene) awaitAccepted(path string, hosts ...string) {
	s.t.Helper()
	await(s.t, func() (bool, string) {
		err := s.accepted(path, hosts...)
		return err == nil, fmt.Sprint(err)
	})
}

// spy takes note of every login that passes by in the file, until stop is
// called, so that the search for secrets knows them.
func (s *scene) spy(path string) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(100 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-quit:
				return
			case <-again.C:
				_ = s.accepted(path) // it may not be there yet
			}
		}
	}()
	return func() { close(quit); <-done }
}
