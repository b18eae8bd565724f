package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

var (
	soakRenewals = flag.Int("soak.renewals", 200, "how many renewals TestAThousandRenewals goes on for; the claim is a thousand")
	soakRest     = flag.Duration("soak.rest", 5*time.Second, "how long TestADaemonAtRest watches; the claim is five minutes")
)

// soaked is the real daemon with an emulated AWS, whose tokens live so long.
func soaked(t *testing.T, hosts int, life time.Duration) (aws *emulator.Server, d *daemon) {
	t.Helper()
	f, err := fleetOf(hosts)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := programsIn(dir)
	if err := compile(t.Context(), "go", "build", "-trimpath", "-o", p.daemon, "ecr-refreshd/cmd/ecr-refreshd"); err != nil {
		t.Fatal(err)
	}
	aws, err = emulator.Start(emulator.Options{Principals: f.principals(), TokenLife: life})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aws.Close)
	credentials, config := filepath.Join(dir, "credentials"), filepath.Join(dir, "ecr-refreshd.yaml")
	files := []string{filepath.Join(dir, "docker", "config.json")}
	for path, text := range map[string]string{credentials: f.credentials(), config: f.config(aws.Endpoint(), files, "", filepath.Join(dir, "socket"))} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err = startDaemon(p.daemon, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "RUNTIME_DIRECTORY=" + dir, "STATE_DIRECTORY=" + dir,
		"AWS_SHARED_CREDENTIALS_FILE=" + credentials, "AWS_EC2_METADATA_DISABLED=true"}, config, "debug", hosts, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop() })
	if _, err := d.firstRound(t.Context()); err != nil {
		t.Fatal(err)
	}
	return aws, d
}

// held is what a process has of what could grow.
type held struct {
	memory
	descriptors, threads int
}

func (d *daemon) holds(t *testing.T) (h held) {
	t.Helper()
	var err error
	if h.memory, err = memoryOf(d.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]*int{"fd": &h.descriptors, "task": &h.threads} {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", d.cmd.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		*n = len(entries)
	}
	return h
}

// After some rounds of its 20 grants, everything is as large as it ever gets.
func TestAThousandRenewals(t *testing.T) {
	const hosts, life = 1000, 4 * time.Second
	aws, d := soaked(t, hosts, life)
	after := func(renewals int) held {
		t.Helper()
		for aws.CallCount("GetAuthorizationToken") < renewals {
			select {
			case <-d.ended:
				t.Fatal("the daemon has ended")
			case <-time.After(life / 8):
			}
		}
		return d.holds(t)
	}
	const warm = 100
	early, late := after(warm), after(*soakRenewals)
	t.Logf("figure: %d hosts, after %d renewals and after %d: %s and %s resident, %d and %d descriptors, %d and %d threads", hosts, warm, *soakRenewals,
		mebibytes(early.resident), mebibytes(late.resident), early.descriptors, late.descriptors, early.threads, late.threads)
	if late.resident > early.peak+early.peak/4 {
		t.Errorf("%s resident after %d renewals, %s at most before", mebibytes(late.resident), *soakRenewals, mebibytes(early.peak))
	}
	// Connections come and go with the calls of 20 grants.
	if late.descriptors > early.descriptors+20 {
		t.Errorf("%d descriptors, %d before", late.descriptors, early.descriptors)
	}
	if late.threads > early.threads+10 {
		t.Errorf("%d threads, %d before", late.threads, early.threads)
	}
}

// Between renewals a daemon looks at the clock once a minute for each grant.
func TestADaemonAtRest(t *testing.T) {
	_, d := soaked(t, 100, 12*time.Hour)
	if err := pause(t.Context(), settle); err != nil {
		t.Fatal(err)
	}
	pid := d.cmd.Process.Pid
	before, err := cpuOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := pause(t.Context(), *soakRest); err != nil {
		t.Fatal(err)
	}
	after, err := cpuOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	used, allowed := after-before, *soakRest*5/10_000+2*tick
	if *soakRest < time.Minute { // too short to tell rest from the end of the start
		allowed = *soakRest / 10
	}
	t.Logf("figure: 100 hosts at rest: %v of CPU in %v", used, *soakRest)
	if used > allowed {
		t.Errorf("%v of CPU in %v, want at most %v", used, *soakRest, allowed)
	}
}
