// Package units holds what is promised of the unit files in deploy/systemd, as
// far as the files and systemd's own tools can tell without a running service
// manager. That the units work on one is tested end to end.
package units

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ecr-refreshd/internal/credhelper"
)

// dir has the unit files.
var dir = filepath.Join("..", "..", "deploy", "systemd")

const (
	daemonUnit = "ecr-refreshd.service"
	socketUnit = "ecr-refreshd.socket"
	onceUnit   = "ecr-refreshd-once.service"
	timerUnit  = "ecr-refreshd-once.timer"
	userUnit   = "user/ecr-refreshd.service"
)

// unit is what a file says: section, key, and the values in their order.
type unit map[string]map[string][]string

// read reads a unit file, by the part of systemd.syntax(7) that ours use.
func read(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	u := make(unit)
	var section map[string][]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch key, value, isSetting := strings.Cut(line, "="); {
		case line == "", line[0] == '#':
		case line[0] == '[':
			section = make(map[string][]string)
			u[strings.Trim(line, "[]")] = section
		case isSetting && section != nil && !strings.HasSuffix(line, `\`):
			section[key] = append(section[key], value)
		default:
			t.Fatalf("%s: cannot read %q", name, line)
		}
	}
	return u
}

// TestServicesDifferOnlyWhereTheirWorkDoes keeps what is hardened in one service
// from being forgotten in another.
func TestServicesDifferOnlyWhereTheirWorkDoes(t *testing.T) {
	supervised := []string{"ExecReload", "FileDescriptorStoreMax", "MemoryHigh", "NotifyAccess", "Restart", "RestartSec", "RuntimeDirectory",
		"RuntimeDirectoryPreserve", "TimeoutStopSec", "WatchdogSec", "Environment"}
	tests := []struct {
		name string
		want [][]string // the settings that are not as in the daemon's unit
	}{
		{onceUnit, [][]string{
			{"Type", "ExecStart", "TimeoutStartSec"}, supervised,
			{"OOMScoreAdjust", "LimitNOFILE"}, // it serves nobody
			{"CapabilityBoundingSet", "AmbientCapabilities", "SystemCallFilter", "ProtectHome", "ProtectSystem"}, // it writes in homes
		}},
		{userUnit, [][]string{
			{"RuntimeDirectoryPreserve"}, // the socket is the daemon's own
			{"OOMScoreAdjust", "LimitNOFILE", "TasksMax"},
			{"User", "Group", "StateDirectory", "StateDirectoryMode"},
			{"CapabilityBoundingSet", "AmbientCapabilities"},
			{"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "DevicePolicy", "PrivateIPC", "PrivateMounts", "ProtectClock",
				"ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
				"ProtectProc", "ProcSubset", "KeyringMode", "RemoveIPC"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			daemon, other := read(t, daemonUnit)["Service"], read(t, tt.name)["Service"]
			all := maps.Clone(daemon)
			maps.Copy(all, other)
			maps.DeleteFunc(all, func(key string, _ []string) bool { return slices.Equal(daemon[key], other[key]) })
			got, want := slices.Sorted(maps.Keys(all)), slices.Sorted(slices.Values(slices.Concat(tt.want...)))
			if !slices.Equal(got, want) {
				t.Errorf("differs in\n%q, want\n%q", got, want)
			}
		})
	}
}

// TestACrashIsNotTakenForAWrongConfiguration: a Go program that crashes ends with
// code 2 by itself.
func TestACrashIsNotTakenForAWrongConfiguration(t *testing.T) {
	for _, name := range []string{daemonUnit, onceUnit, userUnit} {
		s := read(t, name)["Service"]
		if !slices.Equal(s["RestartPreventExitStatus"], []string{"2"}) || !slices.Contains(s["Environment"], "GOTRACEBACK=crash") {
			t.Errorf("%s: RestartPreventExitStatus=%q, Environment=%q", name, s["RestartPreventExitStatus"], s["Environment"])
		}
	}
}

func TestTheSocketIsWhereClientsLook(t *testing.T) {
	socket, service := read(t, socketUnit)["Socket"], read(t, daemonUnit)["Service"]
	want := credhelper.Sockets(func(string) string { return "" }, 0)
	if !slices.Equal(socket["ListenStream"], want) {
		t.Errorf("listens at %q, want %q", socket["ListenStream"], want)
	}
	if got, want := filepath.Dir(want[0]), "/run/"+service["RuntimeDirectory"][0]; got != want {
		t.Errorf("it is in %q, want it in the daemon's %q", got, want)
	}
}

func TestAccountsAreMadeBySysusers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(dir, "sysusers.conf"))
	if err != nil {
		t.Fatal(err)
	}
	service, socket := read(t, daemonUnit)["Service"], read(t, socketUnit)["Socket"]
	for _, want := range []string{
		"u " + service["User"][0] + " ",
		" /var/lib/" + service["StateDirectory"][0] + "\n",
		"g " + socket["SocketGroup"][0] + " ",
		"m " + service["User"][0] + " " + socket["SocketGroup"][0] + "\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("sysusers.conf has no %q", want)
		}
	}
}
