// Package packaging_test reads the packages of deploy/package with their own tools,
// installs, upgrades and removes them on a Debian within this machine, and builds
// them again elsewhere. `make package-test` runs it: the packages have to be there.
package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kinds of package, as the ends of their names.
const (
	debAMD = "_amd64.deb"
	debARM = "_arm64.deb"
	rpmAMD = ".x86_64.rpm"
	rpmARM = ".aarch64.rpm"
)

// need skips the test where this machine cannot run it; in a run that may skip
// nothing, it fails.
func need(t *testing.T, there bool, reason string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("ECR_REFRESHD_NO_SKIP") != "":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// needPrograms is need for programs of this machine.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		_, err := exec.LookPath(p)
		need(t, err == nil, "needs "+p+": make inspectors")
	}
}

// built is the package of a kind that make package has built.
func built(t *testing.T, kind string) string {
	t.Helper()
	dir := os.Getenv("PACKAGES")
	need(t, dir != "", "needs the built packages: make package-test")
	return find(t, dir, kind)
}

// find is the one package of a kind in a folder.
func find(t *testing.T, dir, kind string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+kind))
	if err != nil || len(names) != 1 {
		t.Fatalf("packages %s in %q: %q, %v; want one", kind, dir, names, err)
	}
	return names[0]
}

// output is what a program prints; that it fails is fatal.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	if program == "rpm" { // even a question to a file makes a database in the home
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return string(out)
}

// build makes the packages for amd64 of a checkout in a folder of its own, with
// more in the environment.
func build(t *testing.T, checkout string, env ...string) string {
	t.Helper()
	nfpm := os.Getenv("NFPM")
	need(t, nfpm != "", "needs nfpm: make package-test")
	out := t.TempDir()
	cmd := exec.Command(filepath.Join(checkout, "deploy/package/build.sh"), out, "amd64")
	cmd.Env = append(os.Environ(), env...)
	if log, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, log)
	}
	return out
}
