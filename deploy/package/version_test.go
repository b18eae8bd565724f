package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	newest := newestVersion(t)
	for _, test := range []struct{ name, described, want string }{
		{"a release", "v1.2.3", "1.2.3"},
		{"commits after a release", "v1.2.3-14-gabcdef0", "1.2.3+14.gabcdef0"},
		{"a release that was changed", "v1.2.3-dirty", "1.2.3+0.dirty"},
		{"commits and changes", "v1.2.3-14-gabcdef0-dirty", "1.2.3+14.gabcdef0.dirty"},
		{"before a release", "v2.0.0-rc.1", "2.0.0~rc.1"},
		{"hyphens before a release", "v2.0.0-rc-1-x", "2.0.0~rc.1.x"},
		{"commits before a release", "v2.0.0-rc.1-3-gabcdef0", "2.0.0~rc.1+3.gabcdef0"},
		{"no tag", "abcdef0", newest + "~77.gabcdef0"},
		{"no tag, digits alone", "1234567", newest + "~77.g1234567"},
		{"no tag, with changes", "abcdef0-dirty", newest + "~77.gabcdef0.dirty"},
		{"without a v", "1.0", "1.0"},
		{"its own answer", "1.2.3~77.gabcdef0.dirty", "1.2.3~77.gabcdef0.dirty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := strings.TrimSpace(output(t, "./version.sh", test.described, "77")); got != test.want {
				t.Errorf("version.sh %s: %q, want %q", test.described, got, test.want)
			}
		})
	}
	for _, wrong := range []string{"unknown", "nightly", "v1.0/../x", "v1.0 rm"} {
		if out, err := exec.Command("./version.sh", wrong).Output(); err == nil {
			t.Errorf("version.sh %q accepts it as %q", wrong, out)
		}
	}
}

// newestVersion is that of CHANGELOG.md, which names the version without a tag.
func newestVersion(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^## ([0-9]+\.[0-9]+\.[0-9]+) - (Unreleased|[0-9]{4}-[0-9]{2}-[0-9]{2})$`).FindSubmatch(log)
	if m == nil {
		t.Fatal("CHANGELOG.md has no heading such as ## 0.1.0 - Unreleased")
	}
	return string(m[1])
}

// The changelog of a copy decides without a tag, without git, and after a release.
func TestVersionOfTheChangelog(t *testing.T) {
	for _, tt := range []struct{ name, log, described, want string }{
		{"not released", "# Changes\n\n## 0.3.0 - Unreleased\n## 0.2.0 - 2026-01-02\n", "abcdef0", "0.3.0~7.gabcdef0"},
		{"released", "# Changes\n\n## Unreleased\n## 0.2.0 - 2026-01-02\n", "abcdef0", "0.2.0+7.gabcdef0"},
		{"linked headings", "## [Unreleased]\n## [0.2.0] - 2026-01-02\n", "abcdef0", "0.2.0+7.gabcdef0"},
		{"no git", "## 0.3.0 - Unreleased\n", "", "0.3.0"},
		{"a tag", "## 0.3.0 - Unreleased\n", "v0.1.0", "0.1.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			script := filepath.Join(dir, "deploy/package/version.sh")
			text, err := os.ReadFile("version.sh")
			if err == nil {
				err = os.MkdirAll(filepath.Dir(script), 0o755)
			}
			if err == nil {
				err = os.WriteFile(script, text, 0o755)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(tt.log), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(output(t, script, tt.described, "7")); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Whatever a person looks at names the same version.
func TestEverythingNamesTheSameVersion(t *testing.T) {
	needPrograms(t, "dpkg-deb", "rpm", "git")
	want := strings.TrimSpace(output(t, "rpm", "-qp", "--qf", "%{VERSION}", built(t, rpmAMD)))
	if exec.Command("git", "describe", "--tags").Run() != nil && !strings.HasPrefix(want, newestVersion(t)) {
		t.Errorf("rpm %q; the changelog names %s", want, newestVersion(t))
	}
	if got := output(t, "dpkg-deb", "--field", built(t, debAMD), "Version"); strings.TrimSpace(got) != want+"-1" {
		t.Errorf("deb: %q, want %s-1", got, want)
	}
	dir := t.TempDir()
	output(t, "dpkg-deb", "--extract", find(t, os.Getenv("PACKAGES"), "_"+runtime.GOARCH+".deb"), dir)
	for _, program := range []string{"ecr-refreshd", "docker-credential-ecr-refreshd"} {
		if got := strings.Fields(output(t, filepath.Join(dir, "usr/bin", program), "version")); len(got) < 2 || got[1] != want {
			t.Errorf("%s: %q, want %s", program, got, want)
		}
	}
	if got := output(t, "gzip", "-dc", filepath.Join(dir, "usr/share/man/man1/ecr-refreshd.1.gz")); !strings.Contains(strings.ReplaceAll(got, `\(ti`, "~"), want) {
		t.Errorf("the manual page does not name %s", want)
	}
}

// What an upgrade is, is the package managers' word.
func TestVersionsSort(t *testing.T) {
	needPrograms(t, "dpkg", "rpm")
	order := []string{"abcdef0", "v1.0.0-rc.1", "v1.0.0-rc.1-4-gfffffff", "v1.0.0-rc.2", "v1.0.0", "v1.0.0-dirty",
		"v1.0.0-2-gfffffff", "v1.0.0-10-g0000000", "v1.0.1-rc.1", "v1.0.1", "v1.10.0"}
	for i := range order[1:] {
		older := strings.TrimSpace(output(t, "./version.sh", order[i], "3"))
		newer := strings.TrimSpace(output(t, "./version.sh", order[i+1], "3"))
		if err := exec.Command("dpkg", "--compare-versions", older+"-1", "lt", newer+"-1").Run(); err != nil {
			t.Errorf("dpkg: %s is not older than %s", older, newer)
		}
		if got := output(t, "rpm", "--eval", `%{lua: print(rpm.vercmp("`+older+`", "`+newer+`"))}`); strings.TrimSpace(got) != "-1" {
			t.Errorf("rpm: %s is not older than %s", older, newer)
		}
	}
}
