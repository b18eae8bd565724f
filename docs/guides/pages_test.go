// Package guides holds what is promised of docs/guides and deploy/examples, as far
// as the files themselves and systemd's tools can tell: that pages show the files
// as they are, that links lead somewhere, and that what a file sets fits what the
// programs expect. That the set-ups work is tested end to end.
package guides

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	root     = filepath.Join("..", "..")
	guides   = filepath.Join(root, "docs", "guides")
	examples = filepath.Join(root, "deploy", "examples")
)

const index = "README.md"

// text is the content of a file.
func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// pages are the guides, by path.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(guides, "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages in %q (%v)", guides, err)
	}
	return found
}

// files are the examples, by path.
func files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(examples, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no files in %q (%v)", examples, err)
	}
	return found
}

var (
	// shown is a fenced block with the line that says which file it is.
	shown = regexp.MustCompile("(?m)^\\[(deploy/examples/\\S+)\\]\\(\\.\\./\\.\\./(deploy/examples/\\S+)\\):\n\n```[a-z]*\n((?s:.*?))^```$")
	fence = regexp.MustCompile("(?m)^```")
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

func TestPagesShowFilesAsTheyAre(t *testing.T) {
	blocks := 0
	for _, page := range pages(t) {
		content := text(t, page)
		all := shown.FindAllStringSubmatch(content, -1)
		if got, want := len(all), len(fence.FindAllString(content, -1))/2; got != want {
			t.Errorf("%s: %d of %d blocks are files; a block that is none is indented by four spaces", page, got, want)
		}
		for _, m := range all {
			blocks++
			if m[1] != m[2] {
				t.Errorf("%s: %q is a link to %q", page, m[1], m[2])
			}
			if m[3] != text(t, filepath.Join(root, m[2])) {
				t.Errorf("%s: %s is another than the file", page, m[1])
			}
		}
	}
	if blocks == 0 {
		t.Error("no page shows a file")
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			to := page
			if path != "" {
				to = filepath.Join(guides, path)
			}
			info, err := os.Stat(to)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if anchor != "" && (info.IsDir() || !slices.Contains(anchors(text(t, to)), anchor)) {
				t.Errorf("%s: %q has no heading %q", page, to, anchor)
			}
		}
	}
}

// anchors are the names that headings have in links, by the rule of the usual viewers.
func anchors(content string) []string {
	var found []string
	for line := range strings.Lines(content) {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			found = append(found, strings.Map(func(c rune) rune {
				switch {
				case c == ' ':
					return '-'
				case c == '-', c == '_', c >= '0' && c <= '9', c >= 'a' && c <= 'z':
					return c
				}
				return -1
			}, strings.ToLower(strings.TrimSpace(heading))))
		}
	}
	return found
}

func TestNothingIsLeftOut(t *testing.T) {
	linked := make(map[string]bool)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text(t, page), -1) {
			linked[filepath.Join(guides, m[1])] = true
		}
	}
	for _, file := range files(t) {
		if !linked[file] {
			t.Errorf("no page leads to %s", file)
		}
	}
	contents, results, _ := strings.Cut(text(t, filepath.Join(guides, index)), "\n## What was run")
	for _, page := range pages(t) {
		name := filepath.Base(page)
		if name == index {
			continue
		}
		if !strings.Contains(contents, "("+name+")") {
			t.Errorf("%s does not list %s", index, name)
		}
		if !strings.Contains(results, strings.TrimSuffix(name, ".md")) {
			t.Errorf("%s does not say what of %s was run", index, name)
		}
	}
}
