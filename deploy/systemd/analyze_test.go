package units

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// noSkipVariable turns what lacks from a reason to skip into a failure.
const noSkipVariable = "ECR_REFRESHD_NO_SKIP"

// analyze is systemd-analyze; version is systemd's.
func analyze(t *testing.T) (tool string, version int) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv(noSkipVariable) == "" {
			t.Skip("needs systemd-analyze (apt-get install systemd)")
		}
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(out)) // systemd 252 (…
	if len(words) < 2 || words[0] != "systemd" {
		t.Fatalf("%s --version says %q", tool, out)
	}
	if version, err = strconv.Atoi(words[1]); err != nil {
		t.Fatal(err)
	}
	return tool, version
}

// install puts the units into a directory of their own, with drop-ins for the
// daemon's and a program where they start one, so that nothing depends on what
// this machine has.
func install(t *testing.T, dropIns ...string) (units string) {
	t.Helper()
	units = t.TempDir()
	program := filepath.Join(units, "ecr-refreshd")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(from, to string) {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(units, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("=/usr/bin/ecr-refreshd "), []byte("="+program+" "))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{daemonUnit, socketUnit, onceUnit, timerUnit, userUnit} {
		put(name, name)
	}
	for _, name := range dropIns {
		put(name, daemonUnit+".d/"+name)
	}
	return units
}

// command runs the tool on unit and gives all that it prints.
func command(t *testing.T, tool, units, unit string, args ...string) string {
	t.Helper()
	path := filepath.Join(units, unit)
	cmd := exec.Command(tool, append(args, path)...)
	// Found by its name, too: that is how drop-ins and a socket's service are. The
	// machine's own units come last.
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+filepath.Dir(path)+":", "SYSTEMD_COLORS=0", "LC_ALL=C.UTF-8", "XDG_RUNTIME_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	t.Logf("%s: %v\n%s", unit, err, out)
	return string(out)
}

// reload is the only thing that an older systemd does not understand.
var reload = regexp.MustCompile(`Failed to parse service type, ignoring: notify-reload$`)

func TestSystemdUnderstandsTheUnits(t *testing.T) {
	tool, version := analyze(t)
	tests := []struct {
		name    string
		unit    string
		dropIns []string
		args    []string
	}{
		{"daemon", daemonUnit, nil, nil},
		{"daemon with all drop-ins", daemonUnit, []string{"users-config.conf", "aws-credentials.conf"}, nil},
		{"socket", socketUnit, nil, nil},
		{"once", onceUnit, nil, nil},
		{"timer", timerUnit, nil, nil},
		{"user", userUnit, nil, []string{"--user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			units := install(t, tt.dropIns...)
			for line := range strings.Lines(command(t, tool, units, tt.unit, append(tt.args, "verify", "--man=no")...)) {
				line = strings.TrimSpace(line)
				ours := strings.Contains(line, "ecr-refreshd") || strings.Contains(line, "Failed")
				if ours && !(version < 253 && reload.MatchString(line)) {
					t.Error(line)
				}
			}
		})
	}
}

// exposure is how systemd-analyze security ends.
var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+) `)

func TestExposureIsAsLowAsTheWorkAllows(t *testing.T) {
	tool, _ := analyze(t)
	tests := []struct {
		name    string
		unit    string
		dropIns []string
		want    float64
	}{
		{"daemon", daemonUnit, nil, 1.2},
		{"daemon with keys", daemonUnit, []string{"aws-credentials.conf"}, 1.2},
		{"daemon that writes in homes", daemonUnit, []string{"users-config.conf"}, 1.9},
		{"once", onceUnit, nil, 1.9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := command(t, tool, install(t, tt.dropIns...), tt.unit, "security", "--offline=yes", "--no-pager")
			m := exposure.FindStringSubmatch(out)
			if m == nil {
				t.Fatal("it gives no level")
			}
			if got, err := strconv.ParseFloat(m[1], 64); err != nil || got > tt.want {
				t.Errorf("the level is %s, want at most %v", m[1], tt.want)
			}
		})
	}
}
