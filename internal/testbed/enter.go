package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// insideVariable marks the process inside.
	insideVariable = "ECR_REFRESHD_TESTBED"
	// home of everything in the bed, on the tmpfs that Open mounts on /run. It is
	// short, as the path of a socket may not be long, and it needs no directory of
	// the machine outside.
	bedDir = "/run/testbed"
)

// leaving is how long the process inside may take to end when it is told to.
const leaving = 20 * time.Second

// LackError says what this machine lacks to have a test bed.
type LackError struct {
	What   string // as in "needs …"
	Remedy string // what to install or to run; empty when there is no general one
	Err    error  // the cause, may be nil
}

// Error names what lacks, why, and the remedy.
func (e *LackError) Error() string {
	text := "the test bed needs " + e.What
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		text += " (" + e.Remedy + ")"
	}
	return text
}

// Unwrap gives the cause.
func (e *LackError) Unwrap() error { return e.Err }

// Inside reports whether Enter has started this process. The variable alone does
// not say so: what Open does must never happen to the machine outside.
func Inside() bool { return os.Getenv(insideVariable) != "" && os.Getpid() == 1 }

// Enter runs this program again, with the same arguments and standard streams,
// in namespaces of its own, and returns its exit code. There, Inside is true,
// $TMPDIR and $HOME lie in the bed, and of the variables of AWS and of Docker
// only those are set that point into the bed. The entries of env, as in NAME=VALUE,
// come on top.
//
// When ctx ends, the program inside gets a SIGTERM and, later, a SIGKILL. It
// never outlives this process, nor does anything it has started outlive it. The
// error is a *LackError when this machine does not allow it.
func Enter(ctx context.Context, env ...string) (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, &LackError{What: "root", Remedy: "run it with sudo"}
	}
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = os.Args
	cmd.Env = append(environInside(os.Environ()), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = leaving
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// As the first process of a process namespace, it takes all others along.
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The death signal is for the end of the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
			return 0, &LackError{What: "permission to make namespaces", Err: err}
		}
		return 0, fmt.Errorf("run %q in namespaces of its own: %w", program, err)
	}
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 0, fmt.Errorf("run %q in namespaces of its own: %w", program, err)
}

// environInside is the environment outside without what points to the user's
// own AWS and Docker.
func environInside(outside []string) []string {
	env := slices.DeleteFunc(slices.Clone(outside), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "DOCKER_") ||
			slices.Contains([]string{"HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"}, name)
	})
	return slices.Concat(env, []string{insideVariable + "=1", "HOME=" + rootHome, "TMPDIR=" + tmpDir}, environAWS())
}

// environAWS points every AWS SDK at the bed's credentials.
func environAWS() []string {
	return []string{
		"AWS_SHARED_CREDENTIALS_FILE=" + credentialsFile,
		"AWS_CONFIG_FILE=" + configFile,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}
