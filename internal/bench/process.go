package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// memory is what /proc tells of a process, in bytes.
type memory struct {
	resident  int64 // now: VmRSS
	peak      int64 // of its life: VmHWM
	anonymous int64 // the part of resident that is its own: RssAnon
	file      int64 // the part that is the program's file, which the kernel may drop: RssFile
}

func memoryOf(pid int) (memory, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return memory{}, err
	}
	m, err := parseStatus(string(text))
	if err != nil {
		return memory{}, fmt.Errorf("read %q: %w", path, err)
	}
	return m, nil
}

// parseStatus reads the lines of /proc/PID/status that are needed, as in "VmRSS: 1234 kB".
func parseStatus(text string) (memory, error) {
	var m memory
	wanted := map[string]*int64{"VmRSS": &m.resident, "VmHWM": &m.peak, "RssAnon": &m.anonymous, "RssFile": &m.file}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		to := wanted[key]
		if to == nil {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > 1<<50 || unit != "kB" {
			return memory{}, fmt.Errorf("%s: %q is not a number of kB", key, strings.TrimSpace(value))
		}
		*to = n << 10
		delete(wanted, key)
	}
	for key := range wanted {
		return memory{}, fmt.Errorf("there is no %s", key)
	}
	return m, nil
}

// tick is the unit of the times in /proc: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// cpuOf is the CPU time of a process so far, in whole ticks.
func cpuOf(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, cpu, err := parseStat(string(text))
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", path, err)
	}
	return cpu, nil
}

// parseStat reads the name and the CPU time, user and system, out of
// /proc/PID/stat. The name may hold spaces and parentheses.
func parseStat(text string) (name string, cpu time.Duration, err error) {
	_, rest, opened := strings.Cut(text, "(")
	end := strings.LastIndexByte(rest, ')')
	if !opened || end < 0 {
		return "", 0, errors.New("there is no name")
	}
	const user, system = 11, 12 // counted from the field behind the name
	fields := strings.Fields(rest[end+1:])
	if len(fields) <= system {
		return "", 0, fmt.Errorf("only %d fields follow the name", len(fields))
	}
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil || n < 0 || n > 1<<40 {
			return "", 0, fmt.Errorf("%q is not a number of ticks", fields[i])
		}
		cpu += time.Duration(n) * tick
	}
	return rest[:end], cpu, nil
}

// cpuOfAll is the CPU time of all processes with this name, of those that this
// process can see: in the test bed, its own.
func cpuOfAll(name string) time.Duration {
	var sum time.Duration
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		if n, cpu, err := parseStat(string(text)); err == nil && n == name {
			sum += cpu
		}
	}
	return sum
}

// ownCPU is the CPU time of this process: of the emulated AWS, above all.
func ownCPU() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0 // only bad arguments make it fail
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
