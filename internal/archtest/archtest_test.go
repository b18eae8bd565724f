// Package archtest holds the import rules of docs/architecture.md and nothing else.
package archtest

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// may lists what the packages below a folder may import beyond the standard
// library and themselves. An entry ending in / allows everything below it.
var may = map[string][]string{
	"cmd/ecr-refreshd": {"github.com/spf13/cobra", "go.uber.org/zap/", "go.uber.org/zap", "golang.org/x/term", "golang.org/x/sys/",
		"internal/api", "internal/config", "internal/credhelper", "internal/clientview", "internal/daemon", "internal/discover", "internal/doctor", "internal/eventlog", "internal/fault",
		"internal/login", "internal/nodump", "internal/placed", "internal/registry", "internal/renew", "internal/restart", "internal/status", "internal/stdlog", "internal/systemd", "internal/targets", "internal/targets/dockerconfig", "internal/osuser"},
	// Its start-up time is its reason to exist.
	"cmd/docker-credential-ecr-refreshd": {"internal/credhelper", "internal/nodump"},
	"internal/credhelper":                {"internal/registry"},
	"cmd/ecr-emulator":                   {"internal/emulator", "internal/registry", "internal/stdlog"},
	"internal/nodump":                    {},
	"internal/stdlog":                    {},
	"internal/shell":                     {},
	"internal/atfile":                    {"golang.org/x/sys/"},
	"internal/osuser":                    {"golang.org/x/sys/"},
	"internal/peerauth":                  {"golang.org/x/sys/", "internal/osuser"},
	"internal/api": {"go.uber.org/zap", "go.uber.org/zap/", "golang.org/x/sys/", "internal/crowd", "internal/peerauth", "internal/osuser", "internal/fault", "internal/filetrust",
		"internal/login", "internal/status"},
	"internal/clientview": {"github.com/docker/cli/cli/config/", "internal/fault", "internal/filetrust", "internal/login", "internal/osuser", "internal/shell"},
	"internal/discover":   {"golang.org/x/sys/", "internal/osuser", "internal/ecr", "internal/registry", "internal/shell"},
	"internal/doctor": {"internal/api", "internal/clientview", "internal/config", "internal/credhelper", "internal/fault", "internal/filetrust", "internal/login", "internal/osuser",
		"internal/shell", "internal/status"},
	"internal/crowd":     {},
	"internal/page":      {"internal/crowd", "internal/fault", "internal/status"},
	"internal/systemd":   {"golang.org/x/sys/"},
	"internal/restart":   {"golang.org/x/sys/", "internal/fault", "internal/login"},
	"internal/placed":    {"internal/filetrust", "internal/login"},
	"internal/registry":  {},
	"internal/login":     {},
	"internal/fault":     {},
	"internal/filetrust": {"golang.org/x/sys/", "internal/atfile", "internal/shell"},
	"internal/schedule":  {"github.com/robfig/cron/v3"},
	"internal/renew":     {"internal/login", "internal/fault"},
	"internal/ecr":       {"github.com/aws/", "internal/login", "internal/fault", "internal/renew", "internal/filetrust"},
	"internal/config":    {"go.yaml.in/yaml/v3", "internal/registry", "internal/schedule", "internal/login", "internal/renew", "internal/filetrust"},
	"internal/targets":   {"internal/config", "internal/targets/"},
	// What every kind may import; one that needs more has a line of its own.
	kinds + "*": {"internal/atfile", "golang.org/x/sys/", "internal/osuser", "internal/registry", "internal/config", "internal/fault", "internal/login", "internal/renew", "internal/filetrust"},
	"internal/targets/engine": {"github.com/docker/docker/", "github.com/docker/cli/", "github.com/docker/go-connections/",
		"github.com/containerd/errdefs", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "golang.org/x/sys/", "internal/config", "internal/fault", "internal/login", "internal/renew", "internal/filetrust"},
	"internal/targets/swarm":        {"internal/shell", "github.com/docker/docker/api/types/registry", "internal/targets/engine", "internal/config", "internal/fault", "internal/login", "internal/renew"},
	"internal/targets/dockerconfig": {"internal/atfile", "internal/shell", "github.com/fsnotify/fsnotify", "internal/clientview", "golang.org/x/sync/semaphore", "golang.org/x/sys/", "internal/osuser", "internal/config", "internal/fault", "internal/login", "internal/renew", "internal/filetrust"},
	"internal/status":               {"internal/renew", "internal/fault", "internal/login"},
	"internal/metrics":              {"github.com/prometheus/", "internal/crowd", "internal/renew", "internal/fault", "internal/status"},
	"internal/web":                  {"go.uber.org/zap", "golang.org/x/sys/", "internal/fault", "internal/login", "internal/status"},
	"internal/eventlog":             {"go.uber.org/zap", "go.uber.org/zap/", "internal/renew", "internal/fault"},
	"internal/daemon": {"go.uber.org/zap", "golang.org/x/sys/", "internal/peerauth", "internal/api", "internal/config", "internal/credhelper", "internal/ecr", "internal/fault", "internal/login",
		"internal/metrics", "internal/page", "internal/placed", "internal/registry", "internal/renew", "internal/schedule", "internal/status", "internal/web"},
	// Test beds, the demonstration and the benchmark: they may use anything, and
	// nothing that ships may use them.
	"internal/emulator":     {"*"},
	"internal/testbed":      {"*"},
	"internal/testbed/idle": {},
	"internal/testuser":     {},
	"internal/e2e":          {"*"},
	"internal/attacks":      {"*"},
	"internal/bench":        {"*"},
	"internal/proof":        {},
	// It puts the least memory under what it starts.
	"internal/bench/launcher": {},
	"internal/demo":           {"*"},
	"internal/archtest":       {},
}

const (
	module = "ecr-refreshd"
	kinds  = "internal/targets/"
)

func TestEveryPackageImportsOnlyWhatItMay(t *testing.T) {
	seen := make(map[string]bool)
	root := filepath.Join("..", "..")
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
				return err
			}
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			allowed, known := may[dir]
			if strings.HasPrefix(dir, kinds) && !known {
				allowed, known = may[kinds+"*"]
			}
			if !known {
				t.Errorf("%s is in no table: add it to that here and to that in docs/architecture.md", dir)
			}
			seen[dir] = true
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, spec := range f.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				if name := strings.TrimPrefix(name, module+"/"); foreign(spec.Path.Value) && !permits(allowed, name) {
					t.Errorf("%s imports %s, which %s may not", path, name, dir)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir := range may {
		if dir != "internal/archtest" && dir != kinds+"*" && !seen[dir] && dir != "internal/e2e" {
			t.Errorf("the table has %s, which is not there", dir)
		}
	}
}

// foreign reports whether an import is not of the standard library.
func foreign(quoted string) bool {
	name := strings.Trim(quoted, `"`)
	first, _, _ := strings.Cut(name, "/")
	return first == module || bytes.ContainsRune([]byte(first), '.')
}

func permits(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		return a == "*" || a == name || strings.HasSuffix(a, "/") && strings.HasPrefix(name, a)
	})
}
