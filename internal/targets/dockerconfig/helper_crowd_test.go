package dockerconfig

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

// pointingChild names the file in which this binary is to set the helper up and undo
// it, over and over, in place of running tests.
const pointingChild = "DOCKERCONFIG_TEST_POINT_IN"

// pointForEver says "+" on standard output before each write, "-" after it.
func pointForEver(path string) {
	h, err := NewHelper(Options{Path: path})
	for err == nil {
		fmt.Print("+")
		if _, err = h.Configure(context.Background(), []string{hostA, hostB}); err == nil {
			fmt.Print("-+")
			_, err = h.Undo(context.Background())
		}
		fmt.Print("-")
	}
	fmt.Fprintln(os.Stderr, err)
}

const earlier = `{"auths":{"quay.io":{"auth":"eDp5"}},"credHelpers":{"` + hostA + `":"ecr-login","gcr.io":"gcloud"},"psFormat":"x"}`

// helpersIn reads a file as docker does.
func helpersIn(t *testing.T, path string) map[string]string {
	t.Helper()
	var config struct{ CredHelpers map[string]string }
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &config)
	}
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	return config.CredHelpers
}

func TestAKillAtAnyMomentLosesNoOtherHelper(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kills := 200
	if testing.Short() {
		kills = 20
	}
	h, path := newHelper(t)
	write(t, path, earlier)
	ctx, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			if got := helpersIn(t, path); got["gcr.io"] != "gcloud" || got[hostA] != "" && got[hostA] != "ecr-login" && got[hostA] != ownHelper {
				t.Errorf("a reader met %v", got)
				return
			}
			pause()
		}
	})
	inWrite := 0
	for range kills {
		_, mid, _, err := killOne(self, pointingChild+"="+path, rand.IntN(2), 5*time.Millisecond)
		if err != nil || t.Failed() {
			t.Fatal(err)
		}
		if mid {
			inWrite++
		}
	}
	stop()
	reader.Wait()
	wantStored(t, h, hostA, hostB)
	if _, err := h.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, `{"auths":{"quay.io":{"auth":"eDp5"}},"credHelpers":{"gcr.io":"gcloud"},"psFormat":"x"}`)
	wantTidy(t, path)
	t.Logf("%d kills, %d of them within a write", kills, inWrite)
}

func TestHelpersAndOtherProgramsInACrowdLoseNothing(t *testing.T) {
	h, path := newHelper(t)
	write(t, path, earlier)
	second, target := helperAt(t, path), targetAt(t, path)
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	ctx, stop := context.WithCancel(t.Context())
	other := &stranger{path: path, entries: map[string]string{}}
	var background, crowd sync.WaitGroup
	background.Go(func() { other.run(ctx, t) })
	background.Go(func() { readAllTheTime(ctx, t, path) })
	do := func(what func() error) {
		crowd.Go(func() {
			for range rounds {
				if err := what(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	do(func() error { return h.Store(t.Context(), loginsOf(hostA, hostB)) })
	do(func() error { return second.Store(t.Context(), loginsOf("one.example", hostA)) })
	do(func() error { return second.Release(t.Context(), loginsOf("two.example", "one.example")) })
	do(func() error {
		_ = target.Store(t.Context(), logins("pw")) // hidden by the earlier helper where ours is undone
		return target.Release(t.Context(), logins("pw"))
	})
	crowd.Wait()
	stop()
	background.Wait()
	other.wantAll(t)
	wantStored(t, h, hostA, hostB)
	if _, err := second.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := helpersIn(t, path); len(got) != 1 || got["gcr.io"] != "gcloud" {
		t.Errorf("helpers are %v", got)
	}
	other.wantAll(t)
	wantTidy(t, path)
	t.Logf("%d writes of the other program, which %d times did not see an entry of its own", other.writes, other.missed)
}
