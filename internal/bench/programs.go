package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// programs are the paths of what is built for the benchmark.
type programs struct {
	daemon   string // ecr-refreshd
	helper   string // docker-credential-ecr-refreshd
	launcher string
	floor    string // a Go program that only exits
	floorC   string // the same in C; empty where there is no compiler
	newest   string // Amazon's helper of newestVersion
}

// newestVersion is the newest of Amazon's helper; Debian's is years older.
const newestVersion = "v0.12.0"

// programsIn names the programs that build makes in dir.
func programsIn(dir string) programs {
	in := func(name string) string { return filepath.Join(dir, name) }
	p := programs{in("ecr-refreshd"), in("docker-credential-ecr-refreshd"), in("launcher"), in("floor"), in("floor-c"), in("newest/" + theirHelper)}
	if _, err := exec.LookPath(compilerC); err != nil {
		p.floorC = ""
	}
	return p
}

const compilerC = "gcc"

// The programs that do nothing but start and end: no program takes less.
const (
	floorGo = "package main\n\nfunc main() {}\n"
	floorC  = "int main(void) { return 0; }\n"
)

// build builds everything as it is released: static, and without debugging
// tables.
func (p programs) build(ctx context.Context) error {
	sources := map[string]string{p.floor + ".go": floorGo, p.floor + ".c": floorC}
	for path, text := range sources {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for path, source := range map[string]string{
		p.daemon:   "ecr-refreshd/cmd/ecr-refreshd",
		p.helper:   "ecr-refreshd/cmd/docker-credential-ecr-refreshd",
		p.launcher: "ecr-refreshd/internal/bench/launcher",
		p.floor:    p.floor + ".go",
	} {
		if err := compile(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, source); err != nil {
			return err
		}
	}
	install := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags", "-s -w",
		"github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/"+theirHelper+"@"+newestVersion)
	install.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+filepath.Dir(p.newest), "GOFLAGS=-mod=mod")
	if text, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s %s: %w\n%s", theirHelper, newestVersion, err, text)
	}
	if p.floorC == "" {
		return nil
	}
	return compile(ctx, compilerC, "-O2", "-static", "-s", "-o", p.floorC, p.floor+".c")
}

func compile(ctx context.Context, command ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build: run %q: %w", command, err)
	}
	return nil
}
