package packaging_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuiltAgain builds the packages of a newer version, and with them tests what
// needs two: that a package can be checked by building it again, and upgrades.
func TestBuiltAgain(t *testing.T) {
	needPrograms(t, "git", "dpkg", "rpm", "unshare", "nsenter")
	source := filepath.Join(t.TempDir(), "source")
	copyTracked(t, "../..", source)
	env := []string{"VERSION=v99.0.0", "COMMITS=1", "SOURCE_DATE_EPOCH=1000000000"}
	newer := build(t, source, env...)

	t.Run("elsewhere, with the same bytes", func(t *testing.T) {
		elsewhere := filepath.Join(t.TempDir(), "a folder of another name")
		if err := os.Rename(source, elsewhere); err != nil {
			t.Fatal(err)
		}
		again := build(t, elsewhere, append(env, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "USER=somebody", "GOMAXPROCS=1")...)
		for _, kind := range []string{debAMD, rpmAMD} {
			if a, b := sum(t, find(t, newer, kind)), sum(t, find(t, again, kind)); a != b {
				t.Errorf("%s: %s, and built again %s", kind, a, b)
			}
		}
	})
	t.Run("deb without systemd", func(t *testing.T) { lifeOfDeb(t, built(t, debAMD), find(t, newer, debAMD)) })
	t.Run("rpm without systemd", func(t *testing.T) { lifeOfRPM(t, built(t, rpmAMD), find(t, newer, rpmAMD)) })
	t.Run("deb and a person's account", func(t *testing.T) { personWithDeb(t, built(t, debAMD)) })
	t.Run("rpm and a person's account", func(t *testing.T) { personWithRPM(t, built(t, rpmAMD)) })
	t.Run("deb with systemd", func(t *testing.T) { lifeOfService(t, built(t, debAMD), find(t, newer, debAMD)) })
}

// copyTracked copies the files that git knows or would know, as they are now,
// with other times and none of git's own.
func copyTracked(t *testing.T, from, to string) {
	t.Helper()
	list := output(t, "git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, info.Mode().Perm()&0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func sum(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
