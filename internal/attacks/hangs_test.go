package attacks

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

// attemptEnds bounds an attempt of the sites, whose time-out is 5 s, on a busy machine.
const attemptEnds = 20 * time.Second

// TestACommandIsEndedWithAllThatItStarted: in time, memory and processes.
func TestACommandIsEndedWithAllThatItStarted(t *testing.T) {
	needPrograms(t)
	// Each program bounds itself, lest it takes the machine along.
	programs := map[string]string{
		"prints without an end":                "head -c 3000000000 /dev/zero",
		"prints lines without an end":          "yes | head -c 3000000000",
		"complains without an end":             "head -c 3000000000 /dev/zero >&2",
		"sleeps":                               "sleep 600",
		"ignores TERM":                         "trap '' TERM INT HUP; sleep 600; sleep 600",
		"leaves a child":                       "sleep 600 >/dev/null 2>&1 & echo no; exit 1",
		"leaves a child with its output":       "sleep 600 & echo no; exit 1",
		"leaves a child with its output, well": "sleep 600 & cat '{answer}'",
		"leaves children of children":          "(sleep 600 & sleep 600 & (sleep 600 & sleep 600) & wait) & echo no; exit 1",
	}
	answers := map[string]string{"credential_process": `{"Version":1,"AccessKeyId":"A","SecretAccessKey":"b"}`, "mfa.code_command": code}
	for _, command := range commandRoads {
		for _, name := range slices.Sorted(maps.Keys(programs)) {
			t.Run(command.name+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				write(dir, "answer", answers[command.name])
				// The marker is in the environment of whatever it starts.
				marker := "ATTACKS_MARKER=" + newSecret(20)
				write(dir, "command", "export "+marker+"\n"+strings.ReplaceAll(programs[name], "{answer}", dir+"/answer"))
				s := command.road([]string{"/bin/sh", filepath.Join(dir, "command")}).site(t, newCloud(t))
				t.Cleanup(func() {
					for left := marked(marker); len(left) > 0; left = marked(marker) { // a shell may start another meanwhile
						for _, pid := range left {
							_ = syscall.Kill(pid, syscall.SIGKILL)
						}
					}
				})
				o := s.once()
				o.sound(t, name)
				if o.took > attemptEnds {
					t.Errorf("took %s", o.took)
				}
				if o.memory > memory {
					t.Errorf("the program took %d MiB", o.memory>>10)
				}
				if left := marked(marker); len(left) > 0 {
					t.Errorf("%d processes are left", len(left))
				}
			})
		}
	}
}

// marked are the processes with the marker in their environment.
func marked(marker string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && strings.Contains(string(text), marker) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestNoFileHoldsUpAnAttempt: what is no regular file of some size is refused, wherever it
// is named.
func TestNoFileHoldsUpAnAttempt(t *testing.T) {
	needPrograms(t)
	kinds := map[string]func(path string) error{
		"FIFO":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"device":    func(path string) error { return os.Symlink("/dev/zero", path) },
		"huge": func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(8 << 30)
		},
	}
	named := func(name string) *road {
		return &roads[slices.IndexFunc(roads, func(r road) bool { return r.name == name })]
	}
	places := []struct {
		name string
		road *road
		file string // below the home
		more string // a variable that names it
		all  bool   // it concerns every grant
	}{
		{"AWS_CA_BUNDLE", named("keys"), "ca.pem", "AWS_CA_BUNDLE", true},
		{"AWS_CONFIG_FILE", named("keys"), ".aws/config", "", true},
		{"AWS_SHARED_CREDENTIALS_FILE", named("keys"), ".aws/credentials", "", true},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", named("web identity"), "jwt", "", false},
		{"web_identity_token_file", named("web identity of a profile"), "jwt", "", false},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", named("container with a token file"), "token", "", false},
		{"SSO cache", named("SSO"), ".aws/sso/cache/*.json", "", false},
		{"SSO cache without a session", named("SSO without a session"), ".aws/sso/cache/*.json", "", false},
		{"ca_bundle", &road{name: "ca_bundle", lay: func(c *cloud, home string) (map[string]string, login.Identity) {
			write(home, ".aws/config", "[profile ci]\naws_access_key_id=A\naws_secret_access_key=b\nca_bundle="+filepath.Join(home, "ca.pem")+"\n")
			return nil, login.Identity{Profile: "ci"}
		}}, "ca.pem", "", false},
	}
	for _, place := range places {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			t.Run(place.name+"/"+kind, func(t *testing.T) {
				s := place.road.site(t, newCloud(t))
				path := filepath.Join(s.home, place.file)
				if found, _ := filepath.Glob(path); len(found) > 0 {
					path = found[0]
				}
				_ = os.Remove(path)
				if err := kinds[kind](path); err != nil {
					t.Fatal(err)
				}
				if place.more != "" {
					s.env = append(s.env, place.more+"="+path)
				}
				o := s.once()
				if place.all {
					o.good.State = "fresh" // not to be expected
				}
				o.sound(t, kind)
				if o.took > attemptEnds {
					t.Errorf("took %s", o.took)
				}
				if o.memory > memory {
					t.Errorf("the program took %d MiB", o.memory>>10)
				}
				if o.bad.State == "fresh" && kind != "directory" {
					t.Error("it was taken")
				}
				if !strings.Contains(o.said, fmt.Sprintf("%q", path)) && !strings.Contains(o.said, filepath.Base(path)) {
					t.Errorf("the file is not named: %s", head(o.said, 500))
				}
			})
		}
	}
}
