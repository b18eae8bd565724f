package dockerconfig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
)

// storingChild names the file that this binary is to store in, over and over, in
// place of running tests.
const storingChild = "DOCKERCONFIG_TEST_STORE_IN"

func TestMain(m *testing.M) {
	if path := os.Getenv(storingChild); path != "" {
		storeForEver(path)
		return
	}
	if path := os.Getenv(pointingChild); path != "" {
		pointForEver(path)
		return
	}
	if dir := os.Getenv(crowdingChild); dir != "" {
		storeInAll(dir)
		return
	}
	if dir := os.Getenv(swappingChild); dir != "" {
		swapForEver(dir)
	}
	m.Run()
}

// storeForEver says "+" on standard output before each write, "-" after it.
func storeForEver(path string) {
	target, err := New(Options{Path: path})
	for i := 0; err == nil; i++ {
		fmt.Print("+")
		err = target.Store(context.Background(), logins(fmt.Sprintf("%d.%d", os.Getpid(), i)))
		fmt.Print("-")
	}
	fmt.Fprintln(os.Stderr, err)
}

func logins(password string) []login.Login {
	return []login.Login{loginFor(hostA, password), loginFor(hostB, password)}
}

// A process that is killed takes at most the other program's write of that very moment
// with it, and leaves nothing behind that the next one does not clear away.
func TestAKillAtAnyMomentLosesNothingOlder(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	total := 1000
	if testing.Short() {
		total = 60
	}
	target, path := newTarget(t)
	write(t, path, `{"auths":{"quay.io":{"auth":"eDp5"}},"psFormat":"x"}`)
	ctx, stop := context.WithCancel(t.Context())
	other := &stranger{path: path, entries: map[string]string{}}
	var background sync.WaitGroup
	background.Go(func() { other.run(ctx, t) })
	background.Go(func() { readAllTheTime(ctx, t, path) })

	kills, inWrite, writes, long := 0, 0, 0, 2*time.Millisecond
	for writes < total && !t.Failed() {
		wrote, mid, took, err := killOne(self, storingChild+"="+path, rand.IntN(12), long)
		if err != nil {
			t.Fatal(err)
		}
		kills, writes = kills+1, writes+wrote
		if mid {
			inWrite++
		}
		if took > 0 {
			long = (9*long + took) / 10
		}
	}
	stop()
	background.Wait()
	store(t, target, logins("last")...)
	if err := other.write(); err != nil {
		t.Error(err)
	}
	store(t, target, logins("last")...)
	other.wantAll(t)
	wantStale(t, target, false, logins("last")...)
	if have := auths(t, path); have["quay.io"] != "eDp5" {
		t.Error("an entry that was there from the start is gone")
	}
	if !strings.Contains(read(t, path), `"psFormat": "x"`) {
		t.Error("a key that was there from the start is gone")
	}
	wantTidy(t, path)
	t.Logf("%d writes, %d kills, %d of them within a write; %d writes of the other program, which %d times missed an entry of its own for a moment",
		writes, kills, inWrite, other.writes, other.missed)
}

// killOne lets a child, told by an environment variable what to do, write some times and kills it at a random moment of the write
// after these, taken as lasting up to twice as long as long. It reports the
// writes that were begun, whether the last was cut short, and how long one takes.
func killOne(self, child string, before int, long time.Duration) (writes int, mid bool, took time.Duration, err error) {
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), child)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return 0, false, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, false, 0, err
	}
	out := bufio.NewReader(pipe)
	var begun time.Time
	for writes <= before {
		b, err := out.ReadByte()
		if err != nil {
			return writes, false, 0, errors.Join(err, cmd.Wait())
		}
		if b == '+' {
			writes++
			begun = time.Now()
		} else {
			took = time.Since(begun)
		}
	}
	moment := time.NewTimer(rand.N(2 * long))
	<-moment.C
	if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
		return writes, false, took, err
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		return writes, false, took, err
	}
	all := "+" + string(rest)
	_ = cmd.Wait() // it was killed
	return writes + strings.Count(string(rest), "+"), all[len(all)-1] == '+', took, nil
}
