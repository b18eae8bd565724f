package dockerconfig

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// crowdingChild names the directory in which this binary is to store in all the
// files at once, in place of running tests, and then to say how much memory that took.
const crowdingChild = "DOCKERCONFIG_TEST_CROWD_IN"

func storeInAll(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "config.json"))
	if err != nil {
		fmt.Println(err)
	}
	var all sync.WaitGroup
	for _, path := range files {
		all.Go(func() {
			target, err := New(Options{Path: path})
			if err == nil {
				err = target.Store(context.Background(), logins("pw"))
			}
			if err == nil {
				_, err = target.Stale(context.Background(), logins("pw"))
			}
			if err != nil {
				fmt.Println(err)
			}
		})
	}
	all.Wait()
	status, err := os.ReadFile("/proc/self/status")
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	fmt.Println(strings.TrimSpace(peak), err)
}

// entries is a file with n entries of this value.
func entries(n int, value string) string {
	var b strings.Builder
	b.WriteString(`{"auths":{"k":` + value)
	for i := range n - 1 {
		fmt.Fprintf(&b, `,"k%d":%s`, i, value)
	}
	return b.String() + "}}"
}

// The unit has MemoryHigh=128M, and the daemon without any of this takes some 30 MiB.
func TestLargeFilesOfManyAccountsTakeTheMemoryOfOne(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute, and the race detector's own memory would count: make long")
	}
	const most = 88 << 10 // KiB
	tests := []struct{ name, file string }{
		{"of many logins", entries(1500, `{"auth":"`+base64.StdEncoding.EncodeToString([]byte("u:"+strings.Repeat("x", ((maxSize-100_000)/1500-40)/4*3)))+`"}`)},
		{"of many members", entries(maxMembers-10, `{}`)},
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range 25 {
				write(t, filepath.Join(dir, strconv.Itoa(i), "config.json"), tt.file)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), crowdingChild+"="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var peak int
			if _, err := fmt.Sscanf(string(out), "%d <nil>", &peak); err != nil {
				t.Fatalf("%v: %.1000s", err, out)
			}
			t.Logf("%d MiB", peak>>10)
			if peak > most {
				t.Errorf("25 files of %d bytes took %d MiB at once", len(tt.file), peak>>10)
			}
		})
	}
}

func TestAFileSystemThatHangsKeepsTheFilesOfOthersWaitingForSecondsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, giveBack, err := takeShare(t.Context(), maxSize)
		if err != nil {
			t.Fatal(err)
		}
		_, next, err := takeShare(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		giveBack() // at last, and a second time
		if room.TryAcquire(maxSize) {
			t.Error("the share of the next one is lost")
		}
		next()
		if !room.TryAcquire(maxSize) {
			t.Fatal("a share was not given back")
		}
		room.Release(maxSize)
	})
}

func TestAFileThatOutgrowsItsShareIsNotRead(t *testing.T) {
	_, path := newTarget(t)
	write(t, path, `{}`)
	s, err := openAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	write(t, path, stuffed("k", 1, leastShare))
	if _, _, err := s.read(t.Context()); !errors.Is(err, errRestless) {
		t.Errorf("got %v", err)
	}
}

func TestAFileOverTheLimitFailsForItsTargetAlone(t *testing.T) {
	over, path := newTarget(t)
	write(t, path, stuffed("k", 1, maxSize))
	err := over.Store(t.Context(), logins("pw"))
	wantFault(t, err, errTooLarge, "put it aside")
	if !strings.Contains(err.Error(), "more than 8 MiB") {
		t.Errorf("got %v", err)
	}
	wantStale(t, over, true, logins("pw")...)
	other, _ := newTarget(t)
	store(t, other, logins("pw")...)
}
