package discover

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/targets"
)

var update = flag.Bool("update", false, "write what Draft gives to testdata/drafts")

// TestHosts makes a host of each kind in a directory and compares the whole of
// what a person sees with testdata/drafts.
func TestHosts(t *testing.T) {
	hosts, err := filepath.Glob("testdata/hosts/*.txtar")
	if err != nil || len(hosts) < 8 {
		t.Fatal(hosts, err)
	}
	for _, file := range hosts {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			draft := draftOf(t, lookAt(t, file))
			got := said(draft)
			golden := filepath.Join("testdata", "drafts", name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s (-update writes it):\n%s", golden, got)
			}
		})
	}
}

// lookAt makes the host of a txtar file and looks at it.
func lookAt(t *testing.T, file string) *host {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root, env := makeHost(t, archive)
	h, err := look(t.Context(), Options{Root: root, Getenv: func(key string) string { return env[key] }, UID: os.Getuid(), Own: env["OWN"] != ""})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// makeHost makes the files of an archive. All belong to who runs the test, as
// whom @UID@ in passwd names an account.
func makeHost(t *testing.T, archive *txtar.Archive) (root string, env map[string]string) {
	t.Helper()
	root, env = t.TempDir(), map[string]string{}
	fill := strings.NewReplacer("@UID@", strconv.Itoa(os.Getuid()), "@GID@", strconv.Itoa(os.Getgid()), "@METADATA@", metadataOf(t))
	for _, f := range archive.Files {
		data := fill.Replace(string(f.Data))
		if f.Name == "env" {
			for line := range strings.Lines(data) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				env[key] = value
			}
			continue
		}
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, ".sock") {
			if err := unix.Mknod(path, unix.S_IFSOCK|0o600, 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, env
}

// metadataOf serves the metadata of an instance with a role.
func metadataOf(t *testing.T) string {
	t.Helper()
	answers := map[string]string{
		"/latest/dynamic/instance-identity/document":       `{"accountId": "111122223333", "region": "us-east-1", "instanceId": "i-0123456789abcdef0"}`,
		"/latest/meta-data/iam/security-credentials/":      "build-agent",
		"/latest/meta-data/iam/security-credentials/other": "",
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch text, ok := answers[r.URL.Path]; {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "session")
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "session":
			w.WriteHeader(http.StatusUnauthorized)
		case ok:
			fmt.Fprint(w, text)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// draftOf drafts, and sees that the draft is a good configuration without
// anything secret in it.
func draftOf(t *testing.T, h *host) Draft {
	t.Helper()
	draft := h.draft()
	if _, err := config.Parse("config.yaml", draft.Config, targets.Kinds); err != nil {
		t.Errorf("the draft is refused: %v\n%s", err, draft.Config)
	}
	whole := said(draft) + fmt.Sprintf("%+v", *h)
	for _, secret := range []string{"not-to-be-printed", "bm90LXRvLWJl", "AKIA"} {
		if strings.Contains(whole, secret) {
			t.Errorf("%q gets out", secret)
		}
	}
	return draft
}

// said is all that a person sees of a draft.
func said(d Draft) string {
	var b bytes.Buffer
	b.Write(d.Config)
	fmt.Fprintln(&b, "--- found ---")
	for _, f := range d.Found {
		fmt.Fprintf(&b, "%-10s %s\n", f.What, f.Text)
	}
	for _, u := range d.Unread {
		fmt.Fprintf(&b, "not read   %s: %s\n", u.What, u.Text)
	}
	fmt.Fprintln(&b, "--- next ---")
	for i, s := range d.Next {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s.Why)
		for _, c := range s.Commands {
			fmt.Fprintln(&b, "     "+c)
		}
	}
	return b.String()
}

func TestLookEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	blocked := make(chan struct{})
	defer close(blocked)
	_, err := Look(ctx, Options{Root: t.TempDir(), Getenv: func(string) string { <-blocked; return "" }})
	if err == nil {
		t.Error("it waited for what hangs")
	}
}

// A user of a directory service is in no file, and has a home all the same.
func TestAUserWhomPasswdDoesNotKnow(t *testing.T) {
	root := t.TempDir()
	write(t, root, "net/ann/.docker/config.json", secretConfig)
	env := map[string]string{"HOME": "/net/ann", "USER": "ann"}
	h, err := look(t.Context(), Options{Root: root, Getenv: func(key string) string { return env[key] }, UID: os.Getuid(), Own: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.mentions) != 1 || h.mentions[0].user != "ann" {
		t.Errorf("mentions %v", h.mentions)
	}
	draftOf(t, h)
}
