// Command launcher runs the command that its arguments are and writes to file
// descriptor 3 what the command took: CPU time (user and system) and wall time in
// nanoseconds, and the largest resident set of any one of its processes in bytes,
// as three decimal numbers in a line.
//
// The kernel counts towards a process's peak the memory of the process that it
// was made from, so that nothing can be measured that is smaller than its
// launcher. That is why this is a program of its own, and why it imports no more
// than it must.
package main

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// report is the file descriptor for what was measured. The command does not get it.
const report = 3

func main() { os.Exit(launch(os.Args[1:])) }

// launch gives the command's exit code, and 1 for what has none.
func launch(command []string) int {
	if len(command) == 0 {
		return fail("usage: launcher PATH [ARGUMENT]...")
	}
	u, status, err := run(command)
	switch {
	case err != nil:
		return fail(command[0] + ": " + err.Error())
	case status.Signaled():
		return fail(command[0] + ": " + status.Signal().String())
	case status.ExitStatus() != 0:
		return status.ExitStatus()
	}
	line := strconv.FormatInt(u.cpu, 10) + " " + strconv.FormatInt(u.wall, 10) + " " + strconv.FormatInt(u.peak, 10) + "\n"
	if _, err := syscall.Write(report, []byte(line)); err != nil {
		return fail("report: " + err.Error())
	}
	return 0
}

func fail(text string) int {
	_, _ = os.Stderr.WriteString("launcher: " + text + "\n")
	return 1
}

// usage is in nanoseconds and bytes.
type usage struct{ cpu, wall, peak int64 }

func run(command []string) (usage, syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	var ru syscall.Rusage
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}}
	started := time.Now()
	pid, err := syscall.ForkExec(command[0], command, attr)
	if err != nil {
		return usage{}, status, err
	}
	for {
		_, err = syscall.Wait4(pid, &status, 0, &ru)
		if err != syscall.EINTR {
			break
		}
	}
	wall := time.Since(started)
	return usage{ru.Utime.Nano() + ru.Stime.Nano(), wall.Nanoseconds(), ru.Maxrss << 10}, status, err
}
