package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ecr-refreshd/internal/fault"
)

const somebody = 54321 // a uid

// contextDir is where docker keeps one half of a context: "meta" or "tls".
func contextDir(config, half, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(config, "contexts", half, hex.EncodeToString(sum[:]))
}

func TestRootFollowsOnlyItsOwnContexts(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
			t.Fatal("files of other users take root")
		}
		t.Skip("files of other users take root")
	}
	give := func(path ...string) func(string) string { // gives what it has given away
		return func(config string) string { return filepath.Join(append([]string{config}, path...)...) }
	}
	id := filepath.Base(contextDir("", "meta", "far"))
	tests := []struct {
		name   string
		o      Options
		host   string // DOCKER_HOST
		theirs func(config string) string
		mode   os.FileMode
		want   string // the engine; a part of the error where it begins with !
	}{
		{"all is root's", Options{}, "", nil, 0, "tcp://far:2376"},
		{"docker's directory", Options{}, "", give(), 0, "!/.docker\" belongs to uid 54321"},
		{"config.json", Options{}, "", give("config.json"), 0, "!config.json\" belongs to uid 54321"},
		{"config.json that all may write", Options{}, "", give("config.json"), 0o666, "!config.json\" has mode 0666"},
		{"config.json of others is not asked about a named context", Options{Context: "far"}, "", give("config.json"), 0, "tcp://far:2376"},
		{"meta.json", Options{Context: "far"}, "", give("contexts", "meta", id, "meta.json"), 0, "!meta.json\" belongs to uid 54321"},
		{"the directory of meta.json", Options{Context: "far"}, "", give("contexts", "meta", id), 0, "!" + id + "\" belongs to uid 54321"},
		{"the directory of the TLS files", Options{Context: "far"}, "", give("contexts", "tls", id), 0, "!belongs to uid 54321"},
		{"the directory of TLS files that are gone", Options{Context: "far"}, "", func(config string) string {
			_ = os.RemoveAll(filepath.Join(config, "contexts", "tls", id, "docker"))
			return filepath.Join(config, "contexts", "tls", id)
		}, 0, "!belongs to uid 54321"},
		{"a TLS file", Options{Context: "far"}, "", give("contexts", "tls", id, "docker", "ca.pem"), 0, "!ca.pem\" belongs to uid 54321"},
		{"host", Options{Host: "tcp://h:1"}, "", give(), 0, "tcp://h:1"},
		{"DOCKER_HOST", Options{}, "tcp://e:1", give(), 0, "tcp://e:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, dir := world(t, map[string]string{"DOCKER_HOST": tt.host})
			env.root = true
			config := filepath.Join(dir, ".docker")
			newAuthority(t).write(t, addContext(t, config, "far", metaFor("tcp://far")))
			writeFile(t, filepath.Join(config, "config.json"), []byte(`{"currentContext":"far"}`))
			if tt.theirs != nil {
				path := tt.theirs(config)
				err := os.Chown(path, somebody, -1)
				if tt.mode != 0 {
					err = errors.Join(os.Chown(path, 0, -1), os.Chmod(path, tt.mode))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := env.resolve(tt.o)
			if err == nil && got.isTCP() {
				_, err = open(t.Context(), got, answerLimit, new(secrets).clean)
			}
			part := strings.TrimPrefix(tt.want, "!")
			if strings.HasPrefix(tt.want, "tcp://") {
				if err != nil || got.String() != tt.want {
					t.Errorf("got %q, %v, want %q", got, err, tt.want)
				}
				return
			}
			var e *fault.Error
			if !errors.As(err, &e) || e.Reason != fault.Local || !strings.Contains(err.Error(), part) ||
				!strings.Contains(e.Hint, "`host:`") || !strings.Contains(e.Hint, "root's own") {
				t.Errorf("got %q, %v, want %q", got, err, part)
			}
		})
	}
}

func TestNobodysMissingConfigDecidesNothing(t *testing.T) {
	env, dir := world(t, nil)
	env.root = true
	if err := os.Mkdir(filepath.Join(dir, ".docker"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, ".docker"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got, err := env.resolve(Options{}); err != nil || got.String() != "unix://"+env.socket {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFilesThatNeverEndAreNotRead(t *testing.T) {
	tests := []struct {
		name string
		put  func(path string) error
	}{
		{"a FIFO", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		{"a link to /dev/zero", func(path string) error { return os.Symlink("/dev/zero", path) }},
		{"a huge file", func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, configLimit+1))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, dir := world(t, nil)
			config := filepath.Join(dir, ".docker")
			addContext(t, config, "far", metaFor("tcp://far"))
			if err := tt.put(filepath.Join(config, "config.json")); err != nil {
				t.Fatal(err)
			}
			if got, err := env.resolve(Options{}); err != nil || got.String() != "unix://"+env.socket {
				t.Errorf("config.json: got %q, %v", got, err)
			}
			meta := filepath.Join(contextDir(config, "meta", "far"), "meta.json")
			if err := errors.Join(os.Remove(meta), tt.put(meta)); err != nil {
				t.Fatal(err)
			}
			var e *fault.Error
			if _, err := env.resolve(Options{Context: "far"}); !errors.As(err, &e) || e.Reason != fault.Local || !strings.Contains(err.Error(), meta) {
				t.Errorf("meta.json: %v", err)
			}
		})
	}
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	var sent int
	ended := make(chan struct{})
	tgt := target(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			return
		}
		defer close(ended)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"Status":"`)
		for sent < 64*answerLimit {
			n, err := fmt.Fprint(w, strings.Repeat("x", 1<<16))
			if sent += n; err != nil {
				return // cut off
			}
		}
	}))
	err := tgt.Store(context.Background(), loginsFor("h"))
	<-ended
	var e *fault.Error
	if !errors.As(err, &e) || e.Reason != fault.Invalid || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
	if sent >= 64*answerLimit {
		t.Error("the whole answer was read")
	}
}
