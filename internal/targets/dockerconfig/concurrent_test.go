package dockerconfig

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

// stranger is another program that keeps entries of its own in the file, in the
// way of docker: read, change, write another file, rename, without any lock. It
// is the only one to write these entries, so it knows what must be there.
type stranger struct {
	path    string
	entries map[string]string // as last written
	last    string            // the entry of its last write
	writes  int
	missed  int // entries that were not as last written when it read the file
}

const strangersEntries = 20

func (s *stranger) write() error {
	config, err := s.read()
	if err != nil {
		return err
	}
	auths, _ := config["auths"].(map[string]any)
	if auths == nil {
		auths = map[string]any{}
		config["auths"] = auths
	}
	for key, want := range s.entries {
		if entry, _ := auths[key].(map[string]any); entry["auth"] != want {
			if s.missed++; key != s.last {
				return fmt.Errorf("%s is %q, it was %q before the last write", key, entry["auth"], want)
			}
			auths[key] = map[string]any{"auth": want} // a person logs in again
		}
	}
	key, value := fmt.Sprintf("stranger-%d", s.writes%strangersEntries), base64.StdEncoding.EncodeToString([]byte("u:"+strconv.Itoa(s.writes)))
	auths[key] = map[string]any{"auth": value}
	content, err := json.MarshalIndent(config, "", "\t")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(s.path), "config.json")
	if err != nil {
		return err
	}
	if _, err := temp.Write(content); err != nil {
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	s.entries[key], s.last = value, key
	s.writes++
	return os.Rename(temp.Name(), s.path)
}

func (s *stranger) read() (map[string]any, error) {
	config := map[string]any{}
	content, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(content, &config)
	}
	return config, err
}

// run writes until ctx ends.
func (s *stranger) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		if err := s.write(); err != nil {
			t.Errorf("the other program: %v", err)
			return
		}
		pause()
	}
}

// pause lets everything between in-a-row and once-in-a-while happen.
func pause() { time.Sleep(rand.N(3 * time.Millisecond)) }

// wantAll wants every entry of the other program as it last wrote it.
func (s *stranger) wantAll(t *testing.T) {
	t.Helper()
	have := auths(t, s.path)
	for key, want := range s.entries {
		if have[key] != want {
			t.Errorf("%s of the other program is %q, it wrote %q", key, have[key], want)
		}
	}
}

// readAllTheTime wants a file that parses at every instant until ctx ends.
func readAllTheTime(ctx context.Context, t *testing.T, path string) (reads int) {
	for ctx.Err() == nil {
		content, err := os.ReadFile(path)
		if err == nil && !json.Valid(content) {
			err = fmt.Errorf("%d bytes that are not JSON", len(content))
		}
		if err != nil {
			t.Errorf("a reader: %v", err)
			return reads
		}
		reads++
	}
	return reads
}

func TestNothingIsLostBetweenTwentyGrantsAndAnotherProgram(t *testing.T) {
	target, path := newTarget(t)
	write(t, path, `{"credHelpers":{"elsewhere.example":"x"},"auths":{"quay.io":{"auth":"eDp5"}}}`)
	second := targetAt(t, path) // as after a reload: two of ours on the one file
	const grants = 20
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	ctx, stop := context.WithCancel(t.Context())
	other := &stranger{path: path, entries: map[string]string{}}
	var background, stores sync.WaitGroup
	reads := 0
	background.Go(func() { other.run(ctx, t) })
	background.Go(func() { reads = readAllTheTime(ctx, t, path) })
	last := make([][]login.Login, grants)
	for g := range grants {
		stores.Go(func() {
			for round := range rounds {
				last[g] = nil
				for h := range 3 {
					last[g] = append(last[g], loginFor(fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", 10*g+h), fmt.Sprint(round)))
				}
				if err := []*Target{target, second}[g%2].Store(t.Context(), last[g]); err != nil {
					t.Errorf("grant %d: %v", g, err)
				}
			}
		})
	}
	stores.Wait()
	stop()
	background.Wait()
	other.wantAll(t)
	undone := 0
	for g := range grants { // the other program may have undone ours; then Stale says so
		stale, err := target.Stale(t.Context(), last[g])
		if err != nil {
			t.Fatal(err)
		}
		have := auths(t, path)
		right := true
		for _, l := range last[g] {
			right = right && have[l.Host] == l.Basic().Reveal()
		}
		if stale == right {
			t.Errorf("grant %d: stale %v, but right %v", g, stale, right)
		}
		if stale {
			undone++
			store(t, target, last[g]...)
		}
		wantStale(t, target, false, last[g]...)
	}
	other.wantAll(t)
	if have := auths(t, path); have["quay.io"] != "eDp5" || len(have) != 1+3*grants+min(other.writes, strangersEntries) {
		t.Errorf("the file has %d logins", len(have))
	}
	wantTidy(t, path)
	t.Logf("%d stores, %d writes of the other program, which %d times did not see an entry of its own, %d reads, %d grants undone",
		grants*rounds, other.writes, other.missed, reads, undone)
}
