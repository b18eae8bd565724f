package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asChild makes the test binary take what it was given and report it.
const asChild = "SYSTEMD_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		os.Exit(m.Run())
	}
	if err := json.NewEncoder(os.Stdout).Encode(report()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type childReport struct {
	Files    []string // name, content and whether a child of the child would inherit it
	Left     []string // of the environment
	Socket   string
	AnyAgain bool
}

func report() childReport {
	var c childReport
	m, files := Take()
	c.Socket = m.socket
	for _, f := range files {
		content, err := io.ReadAll(f)
		flags, flagsErr := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		c.Files = append(c.Files, fmt.Sprint(f.Name(), " ", string(content), " inherited:", flags&unix.FD_CLOEXEC == 0))
		if err = errors.Join(err, flagsErr); err != nil {
			c.Files = append(c.Files, err.Error())
		}
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "LISTEN_") || strings.HasPrefix(v, "NOTIFY_") || strings.HasPrefix(v, "FDSTORE") {
			c.Left = append(c.Left, v)
		}
	}
	m, files = Take()
	c.AnyAgain = m != Manager{} || files != nil
	return c
}

func TestTakeGivesWhatTheManagerPassesOnce(t *testing.T) {
	tests := []struct {
		name, env string
		want      []string
	}{
		{"named", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=api:stored", []string{"api zero inherited:false", "stored one inherited:false"}},
		{"no names", "LISTEN_PID=$$ LISTEN_FDS=1", []string{"unknown zero inherited:false"}},
		{"meant for another", "LISTEN_PID=1 LISTEN_FDS=2 LISTEN_FDNAMES=api:stored", nil},
		{"more than there are", "LISTEN_PID=$$ LISTEN_FDS=200", nil},
		{"none", "LISTEN_PIDFDID=1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("/bin/sh", "-c", tt.env+` NOTIFY_SOCKET=@x FDSTORE=4 exec "$0"`, os.Args[0])
			cmd.Env = append(os.Environ(), asChild+"=1", "GORACE=atexit_sleep_ms=0")
			cmd.Stderr = os.Stderr
			for _, content := range []string{"zero", "one"} {
				cmd.ExtraFiles = append(cmd.ExtraFiles, fileWith(t, content))
			}
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var got childReport
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !slices.Equal(got.Files, tt.want) {
				t.Errorf("files are %q, want %q", got.Files, tt.want)
			}
			if len(got.Left) > 0 || got.AnyAgain || got.Socket != "@x" {
				t.Errorf("left in the environment: %q; taken again: %v; socket %q", got.Left, got.AnyAgain, got.Socket)
			}
		})
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		name, pid, count, list string
		want                   []string
	}{
		{"one", "7", "1", "api", []string{"api"}},
		{"no names", "7", "1", "", []string{"unknown"}},
		{"an empty name", "7", "2", "api:", []string{"api", ""}},
		{"too few names", "7", "2", "api", []string{"unknown", "unknown"}},
		{"another process", "8", "1", "api", nil},
		{"no process", "", "1", "api", nil},
		{"no number", "7", "x", "api", nil},
		{"none", "7", "0", "", nil},
		{"negative", "7", "-1", "api", nil},
		{"absurd", "7", "1025", "", nil},
		{"overflow", "7", "99999999999999999999", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := names(tt.pid, tt.count, tt.list, 7); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzNames(f *testing.F) {
	f.Add("7", "2", "a:b", 7)
	f.Add("7", "2", ":::", 7)
	f.Fuzz(func(t *testing.T, pid, count, list string, self int) {
		got := names(pid, count, list, self)
		if n, err := strconv.Atoi(count); len(got) > 0 && (err != nil || len(got) != n || n > mostFiles || pid != strconv.Itoa(self)) {
			t.Errorf("%d names of %q", len(got), count)
		}
	})
}

func fileWith(t *testing.T, content string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
