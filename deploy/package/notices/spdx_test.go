package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the document lists is what the linker has put into the program, by its own account.
func TestTheDocumentListsWhatIsLinked(t *testing.T) {
	const program = "ecr-refreshd/cmd/docker-credential-ecr-refreshd"
	parts, err := partsOf([]string{program, "ecr-refreshd/cmd/ecr-refreshd"})
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	made := time.Unix(1_700_000_000, 0)
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := writeDocument(w, "1.2.3", made, parts); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(parts)
	}
	if first.String() != second.String() {
		t.Error("the same modules give another document in another order")
	}
	var b document
	if err := json.Unmarshal(first.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	var listed []string
	ids := map[string]bool{}
	for _, p := range b.Packages {
		if ids[p.SPDXID] || !regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`).MatchString(p.SPDXID) || !strings.HasSuffix(p.ExternalRefs[0].Locator, "@"+strings.ReplaceAll(p.VersionInfo, "+", "%2B")) {
			t.Errorf("%+v", p)
		}
		ids[p.SPDXID] = true
		listed = append(listed, p.Name+" "+p.VersionInfo)
	}
	if len(b.Relationships) != len(b.Packages) || b.CreationInfo.Created != "2023-11-14T22:13:20Z" {
		t.Errorf("%d relationships for %d packages, created %s", len(b.Relationships), len(b.Packages), b.CreationInfo.Created)
	}
	built := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", built, "ecr-refreshd/cmd/ecr-refreshd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ecr-refreshd 1.2.3", "stdlib " + strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range info.Deps {
		want = append(want, m.Path+" "+m.Version)
	}
	slices.Sort(want)
	slices.Sort(listed)
	if !slices.Equal(listed, want) {
		t.Errorf("listed\n%s\nlinked\n%s", strings.Join(listed, "\n"), strings.Join(want, "\n"))
	}
}
