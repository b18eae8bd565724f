package dockerconfig

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// skip ends the test, loudly where nothing may be skipped.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
		t.Fatal("may not be skipped: " + reason)
	}
	t.Skip(reason)
}

// newTarget keeps config.json in a new directory.
func newTarget(t *testing.T) (target *Target, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), ".docker", "config.json")
	return targetAt(t, path), path
}

func targetAt(t *testing.T, path string) *Target {
	t.Helper()
	target, err := New(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	// Long finished, so that nobody waits for its writer.
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// auths reads the file as a client does: the value of auth by key.
func auths(t *testing.T, path string) map[string]string {
	t.Helper()
	var config struct {
		Auths map[string]struct{ Auth string }
	}
	if err := json.Unmarshal([]byte(read(t, path)), &config); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for key, entry := range config.Auths {
		found[key] = entry.Auth
	}
	return found
}

func store(t *testing.T, target *Target, logins ...login.Login) {
	t.Helper()
	if err := target.Store(t.Context(), logins); err != nil {
		t.Fatal(err)
	}
}

func wantStale(t *testing.T, target *Target, want bool, logins ...login.Login) {
	t.Helper()
	got, err := target.Stale(t.Context(), logins)
	if err != nil || got != want {
		t.Errorf("stale: got %v, %v; want %v", got, err, want)
	}
}

// wantFault wants one local fault with these words in its hint, and no secret.
func wantFault(t *testing.T, err error, cause error, hint string) {
	t.Helper()
	list := fault.All(err)
	if len(list) != 1 || list[0].Reason != fault.Local || !strings.Contains(list[0].Hint, hint) {
		t.Fatalf("got %v (%+v), want a hint with %q", err, list, hint)
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	if strings.Contains(err.Error()+list[0].Hint, "s3cret") {
		t.Errorf("content of the file shows: %v", err)
	}
}

// wantTidy wants nothing but the file itself in its directory.
func wantTidy(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// replaceWith writes the file as docker does: another file, renamed.
func replaceWith(content string) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path+"123", []byte(content), 0o600); err != nil {
			return err
		}
		return os.Rename(path+"123", path)
	}
}
