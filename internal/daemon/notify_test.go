package daemon

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

// manager is a service manager that remembers what it is told.
type manager struct {
	watchdog time.Duration
	mu       sync.Mutex
	told     []string
}

func (m *manager) Notify(state string, _ ...*os.File) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, state)
	return nil
}

func (m *manager) Watchdog() time.Duration { return m.watchdog }

// at gives the place of the first notice that begins so; -1 if there is none.
func (m *manager) at(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.IndexFunc(m.told, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

// since gives the notices from the nth on.
func (m *manager) since(n int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told[n:])
}

func TestTheServiceManagerHearsHowItStands(t *testing.T) {
	m := &manager{watchdog: 30 * time.Millisecond}
	t.Run("running", func(t *testing.T) {
		d := start(t, registries, Options{Manager: m}, emulator.Fault{Operation: "GetAuthorizationToken", Times: 2, Delay: time.Second})
		await(t, "the watchdog to be fed before it is ready", func() bool { return m.at("WATCHDOG=1") >= 0 })
		if m.at("READY=1") >= 0 {
			t.Error("it is ready before its first round is over")
		}
		await(t, "it to be ready", func() bool { return m.at("READY=1") >= 0 })
		for _, r := range d.Status().Registries {
			if !r.Well() {
				t.Errorf("ready, and %s is %s", r.Host, r.State)
			}
		}
		await(t, "the status", func() bool { return m.at("READY=1\nSTATUS=3 registries logged in, next renewal at ") >= 0 })
		done := d.Reloading()
		began := m.at("RELOADING=1\nMONOTONIC_USEC=")
		if began < 0 {
			t.Error("a reload is not told")
		}
		if err := d.Reload(t.Context(), d.generation().config); err != nil {
			t.Fatal(err)
		}
		if told := m.since(began + 1); len(told) > 0 && slices.ContainsFunc(told, func(s string) bool { return s != "WATCHDOG=1" }) {
			t.Errorf("within the reload: %q", told)
		}
		done()
		told := slices.DeleteFunc(m.since(began+1), func(s string) bool { return s == "WATCHDOG=1" })
		if len(told) == 0 || !strings.HasPrefix(told[0], "READY=1\nSTATUS=3 registries logged in, next renewal at ") {
			t.Errorf("after the reload: %q", told)
		}
	})
	if m.at("STOPPING=1") < 0 {
		t.Error("the end is not told")
	}
}

func TestAFailedFirstRoundIsOverToo(t *testing.T) {
	m := new(manager)
	start(t, registries, Options{Manager: m}, emulator.Fault{Status: 400, Code: "AccessDeniedException"})
	await(t, "it to be ready", func() bool { return m.at("READY=1") >= 0 })
	await(t, "the cause in the status", func() bool { return m.at("READY=1\nSTATUS=3 of 3 registries not well: ") >= 0 })
}
