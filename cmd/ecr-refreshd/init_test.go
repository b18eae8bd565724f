package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/targets"
)

// runInit runs the command on a host that has a config.json of root's, and
// nothing more.
func runInit(t *testing.T, at string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	host := t.TempDir()
	for name, text := range map[string]string{
		"etc/passwd":               "root:x:" + strconv.Itoa(os.Getuid()) + ":0:root:/root:/bin/sh\n",
		"root/.docker/config.json": `{"auths": {"111122223333.dkr.ecr.eu-west-1.amazonaws.com": {"auth": "c2VjcmV0"}}}`,
	} {
		path := filepath.Join(host, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ECR_REFRESHD_CONFIG"} {
		t.Setenv(name, "")
	}
	var out, said bytes.Buffer
	cmd := newInit(&flags{config: at})
	cmd.SetArgs(append(args, "--root", host))
	cmd.SetOut(&out)
	cmd.SetErr(&said)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		code = exitUsage
		if done := (*outcome)(nil); errors.As(err, &done) {
			code = done.code
			explain(&said, done.err)
		}
	}
	if strings.Contains(out.String()+said.String(), "c2VjcmV0") {
		t.Error("a secret is printed")
	}
	return out.String(), said.String(), code
}

// shipped is how the packages ship the file.
const shipped = "# Say below which.\nregistries:\n# - region: us-east-1\n\ntargets:\n  - type: engine\nsocket:\n  group: docker\n"

func TestInitWrites(t *testing.T) {
	const host = "account: \"111122223333\"\n    region: eu-west-1"
	own := "registries:\n  - region: us-east-1\n"
	tests := []struct {
		name   string
		former string // empty: no file
		args   []string
		code   int
		wrote  bool
		kept   bool
		prints bool
	}{
		{"where nothing was", "", nil, exitOK, true, false, false},
		{"in the place of what the packages ship", shipped, nil, exitOK, true, true, false},
		{"not over a configuration", own, nil, exitFailed, false, false, true},
		{"over a configuration by force", own, []string{"--force"}, exitOK, true, true, false},
		{"nothing when it prints", "", []string{"--print"}, exitOK, false, false, true},
		{"nothing when it prints beside a configuration", own, []string{"--print"}, exitOK, false, false, true},
		{"nothing with both", "", []string{"--print", "--force"}, exitUsage, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "new", "config.yaml")
			if tt.former != "" {
				if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(tt.former), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			stdout, stderr, code := runInit(t, path, tt.args...)
			if code != tt.code {
				t.Fatalf("exit code %d, want %d: %s", code, tt.code, stderr)
			}
			if strings.Contains(stdout, host) != tt.prints {
				t.Errorf("prints %q", stdout)
			}
			data, err := os.ReadFile(path)
			switch {
			case tt.wrote && !strings.Contains(string(data), host):
				t.Errorf("wrote %q, %v: %s", data, err, stderr)
			case !tt.wrote && string(data) != tt.former:
				t.Errorf("changed the file to %q", data)
			}
			if kept, _ := os.ReadFile(path + "~"); tt.kept && string(kept) != tt.former || !tt.kept && kept != nil {
				t.Errorf("kept %q", kept)
			}
			left, _ := filepath.Glob(filepath.Join(dir, "new", ".*"))
			if len(left) > 0 {
				t.Errorf("left %q behind", left)
			}
			if !tt.wrote {
				return
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("the service's account cannot read it: %v, %v", info.Mode(), err)
			}
			if _, err := config.Load(path, targets.Kinds); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"~root/.docker/config.json", "Wrote " + path, "sudo systemctl enable --now ecr-refreshd", "configure-docker --user root"} {
				if !strings.Contains(stderr, want) {
					t.Errorf("does not say %q:\n%s", want, stderr)
				}
			}
		})
	}
}

func TestInitPath(t *testing.T) {
	tests := []struct {
		name   string
		i      initializer
		env    map[string]string
		want   string
		refuse bool
	}{
		{"root", initializer{root: "/"}, nil, "/etc/ecr-refreshd/config.yaml", false},
		{"by flag", initializer{root: "/", flag: "here.yaml", uid: 7}, map[string]string{"ECR_REFRESHD_CONFIG": "/there"}, "here.yaml", false},
		{"by variable", initializer{root: "/"}, map[string]string{"ECR_REFRESHD_CONFIG": "/there"}, "/there", false},
		{"a user without a word", initializer{root: "/", uid: 7}, map[string]string{"HOME": "/home/a"}, "", false},
		{"a user's own", initializer{root: "/", uid: 7, own: true}, map[string]string{"HOME": "/home/a"}, "/home/a/.config/ecr-refreshd/config.yaml", false},
		{"a user's own by XDG", initializer{root: "/", uid: 7, own: true}, map[string]string{"HOME": "/home/a", "XDG_CONFIG_HOME": "/x"}, "/x/ecr-refreshd/config.yaml", false},
		{"a user's own without a home", initializer{root: "/", uid: 7, own: true}, nil, "", true},
		{"root's own", initializer{root: "/", own: true}, nil, "", true},
		{"another root", initializer{root: "/mnt"}, nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.i.getenv = func(key string) string { return tt.env[key] }
			if got, err := tt.i.path(); got != tt.want || (err != nil) != tt.refuse {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestBlank(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"empty", "", true},
		{"comments", "# a\n\n  # b\n", true},
		{"as the packages ship it", shipped, true},
		{"registries last", "targets:\n  - type: engine\nregistries:\n", true},
		{"a registry", "registries:\n  - region: us-east-1\n", false},
		{"a registry without indentation", "registries: # all\n- region: us-east-1\n", false},
		{"in one line", "registries: [{region: us-east-1}]\n", false},
		{"after other keys", "targets:\n  - type: engine\n\nregistries:\n\n# one\n  - region: us-east-1\n", false},
		{"quoted", "\"registries\":\n  - region: us-east-1\n", false},
		{"a flow mapping", "{registries: [{region: us-east-1}]}\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := blank([]byte(tt.text)); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
