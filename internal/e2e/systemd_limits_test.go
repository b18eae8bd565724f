package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostile are the profiles whose commands take all that they can get. Each bounds
// itself, lest it takes this machine along.
var hostile = map[string]string{
	"prints":    "yes | head -c 3000000000",
	"complains": "yes | head -c 3000000000 >&2",
	"sleeps":    "sleep 600",
	"forks":     "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 600 & done; echo no; exit 1",
	"holds":     "sleep 600 & echo no; exit 1",
}

// TestTheUnitsLimitsHold boots a host whose daemon serves one good identity beside
// hostile commands and an endpoint without an end. What the unit allows is enough, and the
// good one's logins go on to change and to be accepted.
func TestTheUnitsLimitsHold(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudLimits, 10*time.Minute)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for sent := 0; sent < 1<<30; sent += 64 << 10 {
			if _, err := w.Write(bytes.Repeat([]byte("[{}, "), 13<<10)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(endless.Close)

	h := s.newHost()
	h.addKeys()
	keys := filepath.Join(h.root, "/etc/credstore/ecr-refreshd.aws-credentials")
	profiles, err := os.ReadFile(keys)
	must(t, err)
	var registries strings.Builder
	account := 0
	add := func(profile, endpoint string) {
		account++
		fmt.Fprintf(&registries, "  - {account: \"9999%08d\", region: ap-south-1, aws: {profile: %s, endpoint_url: %q, sts_endpoint_url: %[3]q}}\n", account, profile, endpoint)
	}
	for name, script := range hostile {
		h.put("/usr/lib/hostile/"+name, script+"\n", 0o755)
		profiles = fmt.Appendf(profiles, "[%s]\ncredential_process = /bin/sh /usr/lib/hostile/%[1]s\n", name)
		add(name, s.aws.Endpoint())
	}
	for i := range 10 {
		name := fmt.Sprintf("endless%d", i)
		profiles = fmt.Appendf(profiles, "[%s]\naws_access_key_id = AKIAENDLESS\naws_secret_access_key = none-%[1]s\n", name)
		add(name, endless.URL)
	}
	must(t, os.WriteFile(keys, profiles, 0o600))
	config := strings.Replace(h.service("targets: [{type: engine}]\n"), "registries:\n", "registries:\n"+registries.String(), 1)
	config = strings.Replace(config, "refresh: {", "refresh: {timeout: 5s, ", 1)
	h.put(hostConfig, config, 0o644)

	limits, err := os.ReadFile(filepath.Join(unitsDir, "ecr-refreshd.service"))
	must(t, err)
	high, tasks := number(t, limits, `(?m)^MemoryHigh=(\d+)M$`), number(t, limits, `(?m)^TasksMax=(\d+)$`)
	// A container without these controllers has the limits in other ways: of the
	// account's processes, and of addresses, of which a Go program uses a part.
	h.dropIn(unit, "limits", fmt.Sprintf("[Service]\nLimitNPROC=%d\nLimitAS=4G\n", tasks))
	h.enable(unit)
	h.boot()
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		t.Log("no unified control groups: memory is bounded by LimitAS and measured, tasks are bounded by LimitNPROC")
	}

	good := s.cloud.hosts()[0]
	renewed := func(t *testing.T, what string) {
		t.Helper()
		before, _ := h.get("", good)
		h.systemctl("kill", "--kill-who=main", "--signal=USR1", unit)
		await(t, func() (bool, string) {
			now, err := h.get("", good)
			return err == nil && now != before, fmt.Sprintf("%s: another login for %s: %v", what, good, err)
		})
	}
	h.awaitProperty(unit, "SubState", "running")
	pid := h.mainPID()
	for i := range 4 {
		renewed(t, fmt.Sprintf("round %d", i+1))
	}
	// The file of a hostile administrator, and back.
	var wrong strings.Builder
	wrong.WriteString("registries: [{region: us-east-1}]\n")
	for i := range 60_000 {
		fmt.Fprintf(&wrong, "key%d: 1\n", i)
	}
	h.put(hostConfig, wrong.String(), 0o644)
	h.systemctl("reload", unit)
	h.awaitProperty(unit, "StatusText", "configuration has an error")
	renewed(t, "with 60,000 wrong keys")
	h.put(hostConfig, config, 0o644)
	h.systemctl("reload", unit)
	renewed(t, "after the reload")

	if now := h.mainPID(); now != pid {
		t.Errorf("it was process %s and is %s", pid, now)
	}
	status, _ := h.try("cat", "/proc/"+pid+"/status")
	if peak := number(t, []byte(status), `(?m)^VmHWM:\s+(\d+) kB$`) >> 10; peak > high {
		t.Errorf("the daemon took %d MiB, of %d that its unit has", peak, high)
	} else {
		t.Logf("the daemon took %d of %d MiB", peak, high)
	}
	// An attempt that is under way may have all of its own; none may be left for good.
	await(t, func() (bool, string) {
		children, _ := h.try("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null | grep -c '(sleep)'")
		left, err := strconv.Atoi(children)
		return err == nil && left <= len(hostile), fmt.Sprintf("%q processes of commands are left", children)
	})
	const most = 1 << 20
	if size := len(h.journal("--unit="+unit, "--output=cat")); size > most {
		t.Errorf("the journal has %d KiB of it", size>>10)
	}
	if code, _ := strconv.Atoi(h.property(unit, "NRestarts")); code != 0 {
		t.Errorf("it was restarted %d times", code)
	}
	begun := time.Now()
	h.systemctl("stop", unit)
	if took := time.Since(begun); took > stopsWithin {
		t.Errorf("took %s to stop", took)
	}
}

// number is the one that a pattern finds.
func number(t *testing.T, text []byte, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in %s", pattern, text)
	}
	n, err := strconv.Atoi(string(found[1]))
	must(t, err)
	return n
}
