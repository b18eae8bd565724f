// Command bench measures ecr-refreshd against what a user would otherwise run,
// side by side in one run: a refresh of one host, the memory of the daemon, and the
// time that it needs for many hosts. AWS and the registries are emulated, in this
// process; the engine is real and private. docs/benchmark.md says how to read
// the figures. Nothing is judged here but the aims of the project; tests live
// elsewhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"ecr-refreshd/internal/testbed"
)

// dirVariable hands the directory of this run to the process in the test bed.
const dirVariable = "ECR_REFRESHD_BENCH_DIR"

// exitLack is the inner process's way to say that the machine allows no test bed.
const exitLack = 3

// emulatorGC is the heap growth, in percent, after which this process collects.
const emulatorGC = 400

func main() {
	if len(os.Args) > 1 && os.Args[1] == launchArgument {
		os.Exit(launch(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		code = max(code, 1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(ctx context.Context) (code int, err error) {
	program := flag.String("binary", "", "measure this `file` instead of one built from the module")
	rounds := flag.Int("rounds", 7, "how often each refresh of one host is run")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 {
		flag.Usage()
		return 2, nil
	}
	if testbed.Inside() {
		return inside(ctx, os.Getenv(dirVariable), *program, *rounds)
	}
	// Not the default of temporary files: that is often in memory.
	dir, err := os.MkdirTemp("/var/tmp", "ecr-refreshd-bench-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if *program == "" {
		if err := build(ctx, builtIn(dir)); err != nil {
			return 1, err
		}
	}
	if err := os.Setenv(dirVariable, dir); err != nil {
		return 1, err
	}
	code, err = testbed.Enter(ctx)
	var lack *testbed.LackError
	if errors.As(err, &lack) {
		fmt.Printf("Without an engine of its own: %v\n", lack)
		code, err = exitLack, nil
	}
	if code == exitLack && ctx.Err() == nil {
		return inside(ctx, dir, *program, *rounds)
	}
	return code, err
}

func builtIn(dir string) string { return filepath.Join(dir, "ecr-refreshd") }

// build builds ecr-refreshd as it is released.
func build(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "ecr-refreshd/cmd/ecr-refreshd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build ecr-refreshd: %w", err)
	}
	return nil
}

// inside measures where it is, in the test bed or outside.
func inside(ctx context.Context, dir, program string, rounds int) (code int, err error) {
	if program == "" {
		program = builtIn(dir)
	}
	largest, err := fleetOf(sizes[len(sizes)-1])
	if err != nil {
		return 1, err
	}
	s, err := openSite(ctx, dir, program, largest)
	var lack *testbed.LackError
	if errors.As(err, &lack) {
		fmt.Printf("Without an engine of its own: %v\n", lack)
		return exitLack, nil
	}
	if err != nil {
		return 1, err
	}
	defer s.close()
	// The emulator stands for machines elsewhere: the less it takes of this one, the better.
	debug.SetGCPercent(emulatorGC)
	if err := s.compare(ctx, os.Stdout, rounds); err != nil {
		return 1, err
	}
	return 0, nil
}
