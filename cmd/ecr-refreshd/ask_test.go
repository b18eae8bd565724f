package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/fault"
)

func TestAHostIsTakenInAnyForm(t *testing.T) {
	const ours = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	tests := []struct{ name, typed, want string }{
		{"as it is", ours, ours},
		{"an address", "https://" + ours + "/", ours},
		{"an address of an image", "HTTP://" + ours + "/app:1", ours},
		{"upper case and space", " " + strings.ToUpper(ours) + "\n", ours},
		{"a port", "[::1]:5000", "[::1]:5000"},
		{"nothing", "", ""},
		{"a scheme alone", "https://", ""},
		{"steps in a path", "..", ""},
		{"a space", "a b", ""},
		{"a query", "a?host=b", ""},
		{"another script", "аws", ""},
		{"too long", strings.Repeat("a", maxHost+1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hostName(tt.typed)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			var done *outcome
			if err != nil && (!errors.As(err, &done) || done.code != exitUsage) {
				t.Errorf("%v is not an error of usage", err)
			}
		})
	}
}

// With a file that is broken it is not known where the daemon is: it is looked for
// at the default place, and when it is not there, both may be why.
func TestWhyNoDaemonIsFound(t *testing.T) {
	tests := []struct {
		name, file string
		mode       os.FileMode
		want       []string // how each line begins
	}{
		{"a file with mistakes", "registries: nonsense\nlog: 7\n", 0o600, []string{"FILE:1:", "FILE:2:", "ecr-refreshd: status: no daemon answers"}},
		{"a file that others may write", "registries: [{public: true}]\n", 0o666, []string{"ecr-refreshd: read the configuration", "ecr-refreshd: status: no daemon answers"}},
		{"a good file", "registries: [{public: true}]\n", 0o600, []string{"ecr-refreshd: status: no daemon answers"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			t.Setenv("ECR_REFRESHD_SOCKET", "")
			t.Setenv("ECR_REFRESHD_CONFIG", path)
			f := new(flags)
			if _, err := f.client(t.Context()); err != nil {
				t.Fatal(err)
			}
			var done *outcome
			err := f.answered(&fault.Error{Op: "status", Err: api.ErrNoDaemon})
			if !errors.As(err, &done) || done.code != exitAbsent {
				t.Fatalf("got %#v, want exit code %d", err, exitAbsent)
			}
			var said bytes.Buffer
			explain(&said, done.err)
			lines := strings.Split(strings.TrimSpace(said.String()), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("got\n%s\nwant %q", &said, tt.want)
			}
			for i, want := range tt.want {
				if want = strings.Replace(want, "FILE", path, 1); !strings.HasPrefix(lines[i], want) {
					t.Errorf("got %q, want %q", lines[i], want)
				}
			}
		})
	}
}
