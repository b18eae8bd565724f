package packaging_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	for _, test := range []struct{ name, described, want string }{
		{"a release", "v1.2.3", "1.2.3"},
		{"commits after a release", "v1.2.3-14-gabcdef0", "1.2.3+14.gabcdef0"},
		{"a release that was changed", "v1.2.3-dirty", "1.2.3+0.dirty"},
		{"commits and changes", "v1.2.3-14-gabcdef0-dirty", "1.2.3+14.gabcdef0.dirty"},
		{"before a release", "v2.0.0-rc.1", "2.0.0~rc.1"},
		{"hyphens before a release", "v2.0.0-rc-1-x", "2.0.0~rc.1.x"},
		{"commits before a release", "v2.0.0-rc.1-3-gabcdef0", "2.0.0~rc.1+3.gabcdef0"},
		{"no tag", "abcdef0", "0.0.0+77.gabcdef0"},
		{"no tag, digits alone", "1234567", "0.0.0+77.g1234567"},
		{"no tag, with changes", "abcdef0-dirty", "0.0.0+77.gabcdef0.dirty"},
		{"without a v", "1.0", "1.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := strings.TrimSpace(output(t, "./version.sh", test.described, "77")); got != test.want {
				t.Errorf("version.sh %s: %q, want %q", test.described, got, test.want)
			}
		})
	}
	for _, wrong := range []string{"unknown", "nightly", "", "v1.0/../x", "v1.0 rm"} {
		if out, err := exec.Command("./version.sh", wrong).Output(); err == nil {
			t.Errorf("version.sh %q accepts it as %q", wrong, out)
		}
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
