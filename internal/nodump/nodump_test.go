package nodump

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	switch os.Getenv("NODUMP_ROLE") {
	case "parent":
		Set()
		report()
		child := exec.Command("/proc/self/exe")
		child.Env, child.Stdout = []string{"NODUMP_ROLE=child"}, os.Stdout
		if err := child.Run(); err != nil {
			fmt.Println(err)
		}
		os.Exit(0)
	case "child":
		report()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// report prints whether this process is dumpable, its limits of core dumps, and
// whether it may use its own descriptors by their names in /proc, as the local API does.
func report() {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var core unix.Rlimit
	limits := unix.Getrlimit(unix.RLIMIT_CORE, &core)
	file, own := os.CreateTemp("", "own")
	if own == nil {
		own = os.Chmod(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), 0o600)
		_ = os.Remove(file.Name())
	}
	_, list := os.ReadDir("/proc/self/fd")
	_, ids := os.ReadFile("/proc/self/uid_map")
	fmt.Println(dumpable, err, core.Cur, core.Max, limits, own, list, ids)
}

func TestOnlyThisProcessIsSealed(t *testing.T) {
	const nobody = 65534
	accounts := []*syscall.Credential{nil}
	if os.Geteuid() == 0 {
		accounts = append(accounts, &syscall.Credential{Uid: nobody, Gid: nobody})
	}
	for _, account := range accounts {
		// The test may run with a limit of its own, which the programs inherit.
		cmd := exec.Command("/bin/sh", "-c", "ulimit -S -c 1 && exec /proc/$$/fd/3")
		exe, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		defer exe.Close()
		cmd.ExtraFiles = []*os.File{exe}
		cmd.Env = []string{"NODUMP_ROLE=parent", "TMPDIR=/tmp"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) != 2 {
			t.Fatalf("got %s", out)
		}
		parent, child := strings.Fields(lines[0]), strings.Fields(lines[1])
		if strings.Join(parent[:3], " ") != "0 <nil> 0" || parent[3] == "0" {
			t.Errorf("account %v: the process is not sealed: %s", account, lines[0])
		}
		if child[0] != "1" || child[3] != parent[3] {
			t.Errorf("account %v: what it starts is: %s", account, lines[1])
		}
		for _, l := range lines {
			if !strings.HasSuffix(l, "<nil> <nil> <nil> <nil>") {
				t.Errorf("account %v: something of its own is out of reach: %s", account, l)
			}
		}
	}
}
