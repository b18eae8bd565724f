package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// tree makes files of a source tree and gives its root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCollect(t *testing.T) {
	root := tree(t, map[string]string{
		"a/LICENSE":         "free\r\n",
		"a/sub/LICENSE.txt": "free in part",
		"a/sub/pkg/x.go":    "",
		"a/license_test.go": "no licence",
		"b/COPYING":         "free\n",
		"b/NOTICE":          "by somebody",
		"LICENSE":           "of no module",
	})
	parts := []linked{
		{"b v1", filepath.Join(root, "b"), filepath.Join(root, "b")},
		{"a v1", filepath.Join(root, "a/sub/pkg"), filepath.Join(root, "a")},
		{"a v1", filepath.Join(root, "a"), filepath.Join(root, "a")},
	}
	got, err := collect(parts)
	if err != nil {
		t.Fatal(err)
	}
	want := []notice{{"free in part", []string{"a v1"}}, {"free", []string{"a v1", "b v1"}}, {"by somebody", []string{"b v1"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("collect: %q, want %q", got, want)
	}
}

func TestCollectReportsAModuleWithoutALicence(t *testing.T) {
	root := tree(t, map[string]string{"a/x.go": ""})
	dir := filepath.Join(root, "a")
	if _, err := collect([]linked{{"a v1", dir, dir}}); err == nil || !strings.Contains(err.Error(), "a v1") {
		t.Errorf("collect: %v; want an error that names the module", err)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("m v1\t/m/p\t/m\nm v1\t/m\t/m\n")
	f.Add("\t\t\n\n")
	f.Fuzz(func(t *testing.T, list string) {
		for _, l := range parseList(list) {
			if strings.ContainsAny(l.module+l.dir+l.root, "\t\n") {
				t.Errorf("parseList(%q): %q", list, l)
			}
		}
	})
}
