package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testsOf are the names of the tests and fuzz targets of a package below the top directory.
func testsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no tests: %v", dir, err)
	}
	var names []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

func TestEachClaimHasATest(t *testing.T) {
	for _, c := range claims {
		matches := regexp.MustCompile(c.test).MatchString
		found := false
		for _, name := range testsOf(t, "internal/"+c.pack) {
			found = found || matches(name)
		}
		if !found {
			t.Errorf("%q: %s has no test %s", c.text, c.pack, c.test)
		}
	}
}

// A threat is answered by tests that exist.
func TestTheThreatsNameTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, top := range []string{"cmd", "deploy", "internal"} {
		err := filepath.WalkDir("../../"+top, func(path string, d fs.DirEntry, err error) error {
			if tests, _ := filepath.Glob(path + "/*_test.go"); err == nil && d.IsDir() && len(tests) > 0 {
				for _, name := range testsOf(t, strings.TrimPrefix(path, "../../")) {
					known[name] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !known[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
}

func TestAClaimWithoutATestDoesNotHold(t *testing.T) {
	r := claim{text: "x", pack: "proof", test: "TestThereIsNone"}.measure(t.Context())
	if r.holds || !strings.Contains(r.output, "no tests to run") {
		t.Errorf("holds %v:\n%s", r.holds, r.output)
	}
	if r := (claim{text: "x", pack: "proof", test: "TestEachClaimHasATest"}).measure(t.Context()); !r.holds {
		t.Errorf("a test that passes does not count:\n%s", r.output)
	}
}
