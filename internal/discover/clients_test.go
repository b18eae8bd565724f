package discover

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOtherClientsAreNoticed: what they read is not docker's file, so that nothing else of
// this program would tell.
func TestOtherClientsAreNoticed(t *testing.T) {
	root, _ := newHost(t, os.Getuid())
	for _, c := range otherClients {
		write(t, root, "home/ci"+c.path, "{}")
	}
	h := lookBelow(t, root, nil)
	for _, c := range otherClients {
		if !slices.ContainsFunc(h.found(nil), func(f Finding) bool { return f.What == "~ci"+c.path && f.Text == c.text }) {
			t.Errorf("%s is not found: %q", c.path, h.others)
		}
	}
	if h := lookBelow(t, func() string { root, _ := newHost(t, os.Getuid()); return root }(), nil); len(h.others) != 0 {
		t.Errorf("found %q where nothing is", h.others)
	}
}

func TestARootlessEngineIsNoticed(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "a home of another account takes root")
	}
	root, home := newHost(t, 4711)
	if err := os.Chown(home, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	write(t, root, "run/user/4711/docker.sock", "")
	if h := lookBelow(t, root, nil); len(h.others) != 1 || h.others[0].What != "unix:///run/user/4711/docker.sock" {
		t.Errorf("found %q", h.others)
	}
}

// TestAFileThatTheAccountCannotReadIsTold: root's after sudo docker login.
func TestAFileThatTheAccountCannotReadIsTold(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "a file of another account takes root")
	}
	tests := []struct {
		name   string
		owner  int
		mode   os.FileMode
		locked bool
	}{{"root's", 0, 0o600, true}, {"root's, for all to read", 0, 0o644, false}, {"its own", 4711, 0o600, false}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, home := newHost(t, 4711)
			write(t, root, "home/ci/.docker/config.json", "{}")
			file := filepath.Join(home, ".docker/config.json")
			for _, err := range []error{os.Chown(home, 4711, 4711), os.Chown(file, tt.owner, 0), os.Chmod(file, tt.mode)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			steps := lookBelow(t, root, nil).next(nil)
			told := slices.ContainsFunc(steps, func(s Step) bool {
				return strings.Contains(strings.Join(s.Commands, ""), "sudo chown -R ci: ~ci/.docker")
			})
			if told != tt.locked {
				t.Errorf("told %t, want %t: %q", told, tt.locked, steps)
			}
		})
	}
}
