// Command bench measures ecr-refreshd against what a user would otherwise run,
// side by side in one run: a refresh of one host, an answer of the credential
// helper and of the API behind it, the memory of the daemon, and the time that it
// needs for many hosts. AWS and the registries are emulated, in this
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
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
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
	daemon := flag.String("binary", "", "measure this `file` instead of an ecr-refreshd built from the module")
	rounds := flag.Int("rounds", 7, "how often each refresh of one host is run")
	only := flag.String("only", strings.Join(parts(), ","), "measure only these `parts`, separated by commas")
	flag.Parse()
	wanted := strings.Split(*only, ",")
	if flag.NArg() > 0 || *rounds < 1 || slices.ContainsFunc(wanted, func(p string) bool { return !slices.Contains(parts(), p) }) {
		flag.Usage()
		return 2, nil
	}
	measurements := func(dir string) (int, error) { return inside(ctx, dir, *daemon, *rounds, wanted) }
	if testbed.Inside() {
		return measurements(os.Getenv(dirVariable))
	}
	// Not the default of temporary files: that is often in memory.
	dir, err := os.MkdirTemp("/var/tmp", "ecr-refreshd-bench-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := programsIn(dir).build(ctx); err != nil {
		return 1, err
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
		return measurements(dir)
	}
	return code, err
}

// inside measures where it is, in the test bed or outside.
func inside(ctx context.Context, dir, daemon string, rounds int, wanted []string) (code int, err error) {
	built := programsIn(dir)
	if daemon != "" {
		built.daemon = daemon
	}
	largest, err := fleetOf(sizes[len(sizes)-1])
	if err != nil {
		return 1, err
	}
	s, err := openSite(ctx, dir, built, largest)
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
	if err := s.compare(ctx, os.Stdout, rounds, wanted); err != nil {
		return 1, err
	}
	return 0, nil
}
