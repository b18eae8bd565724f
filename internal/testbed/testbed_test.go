package testbed

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

const (
	// partVariable makes the test binary a program that uses the package.
	partVariable = "TESTBED_TEST_PART"
	// playVariable tells the processes of one such program from all others.
	playVariable = "TESTBED_TEST_PLAY"
)

func TestMain(m *testing.M) {
	part := os.Getenv(partVariable)
	switch {
	case part == "":
		os.Exit(m.Run())
	case Inside():
		os.Exit(inside(part))
	}
	code, err := Enter(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 99
	}
	os.Exit(code)
}

// inside plays a part in the bed.
func inside(part string) int {
	bed, err := Open(Options{
		Hosts:    map[string]string{"111122223333.dkr.ecr.us-east-1.amazonaws.com": "127.0.0.1"},
		Accounts: []string{"somebody"},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	switch part {
	case "code":
		fmt.Println("said inside", os.Getenv("HOME"))
		return 7
	case "panic":
		panic("as a broken program does")
	case "engine":
		return tryEngine(bed)
	}
	return 99
}

// tryEngine starts everything, pulls an image as an account, says so, and waits
// for its end.
func tryEngine(bed *Bed) int {
	ctx := context.Background()
	engine, err := bed.StartEngine(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	engine.Kill()
	if err := engine.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	aws, err := bed.StartAWS("127.0.0.1", emulator.Options{})
	if err == nil {
		err = bed.PushImage(ctx, aws, "default", "111122223333.dkr.ecr.us-east-1.amazonaws.com/app:latest")
	}
	if err == nil {
		var out []byte
		out, err = bed.Command(ctx, bed.Account("somebody"), nil, "docker", "--host", engine.Host(), "info", "--format", "{{.Driver}}").CombinedOutput()
		fmt.Printf("%s", out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	fmt.Println("ready")
	select {}
}

// play starts the test binary as a program.
func play(t *testing.T, part string) (cmd *exec.Cmd, name string) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacks(t, "namespaces need root")
	}
	name = playVariable + "=" + rand.Text()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partVariable+"="+part, name)
	return cmd, name
}

func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func TestEnterPassesOnCodeAndOutput(t *testing.T) {
	tests := []struct {
		part, says string
		code       int
	}{{"code", "said inside", 7}, {"panic", "as a broken program does", 2}}
	for _, tt := range tests {
		t.Run(tt.part, func(t *testing.T) {
			cmd, name := play(t, tt.part)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.says) {
				t.Errorf("code %d and %q; want %d and %q", code, out, tt.code, tt.says)
			}
			nothingLeft(t, name)
		})
	}
}

func TestNothingOutlivesAKilledProgram(t *testing.T) {
	cmd, name := play(t, "engine")
	if err := FindEngine(); err != nil {
		lacks(t, err.Error())
	}
	if _, err := exec.LookPath("docker"); err != nil {
		lacks(t, err.Error())
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if lines.Text() == "ready" {
			break
		}
	}
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out) // ends with the last process that could write to it
	_ = cmd.Wait()
	if !slices.Equal(said, []string{"vfs", "ready"}) {
		t.Errorf("said %q", said)
	}
	nothingLeft(t, name)
}

// nothingLeft waits until no process of the play is left, and looks for mounts
// and files.
func nothingLeft(t *testing.T, name string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		left := processesOf(t, name)
		if len(left) == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("still running: %q", left)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), bedDir) {
		t.Errorf("still mounted: %v", err)
	}
	if _, err := os.Stat(bedDir); err == nil {
		t.Errorf("%s is outside", bedDir)
	}
}

// processesOf gives those that have the play's name in their environment.
func processesOf(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if environ, err := os.ReadFile(f); err == nil && strings.Contains(string(environ), name) {
			program, _ := os.Readlink(filepath.Join(filepath.Dir(f), "exe"))
			found = append(found, program)
		}
	}
	return found
}

func TestEnterNeedsRoot(t *testing.T) {
	cmd, _ := play(t, "code")
	// Nobody else can run what go test has built.
	dir := t.TempDir()
	cmd.Path = filepath.Join(dir, "program")
	content, err := os.ReadFile(os.Args[0])
	err = errors.Join(err, os.WriteFile(cmd.Path, content, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if want := "the test bed needs root (run it with sudo)"; !strings.Contains(string(out), want) {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

func TestEnvironInsideKnowsNothingOfTheUser(t *testing.T) {
	outside := []string{"PATH=/bin", "AWS_PROFILE=mine", "DOCKER_HOST=tcp://mine", "HOME=/root", "TMPDIR=/var/tmp", "XDG_RUNTIME_DIR=/run/user/0"}
	got := environInside(outside)
	for _, entry := range []string{"PATH=/bin", "HOME=/run/testbed/root", "TMPDIR=/run/testbed/tmp", "AWS_SHARED_CREDENTIALS_FILE=/run/testbed/aws/credentials"} {
		if !slices.Contains(got, entry) {
			t.Errorf("lacks %s: %q", entry, got)
		}
	}
	for _, entry := range outside[1:] {
		if slices.Contains(got, entry) {
			t.Errorf("holds %s", entry)
		}
	}
}

func TestOpenRefusesOutside(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Error("opened the machine outside")
	}
}
