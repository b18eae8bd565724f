package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestManyProblemsAreCountedNotPrinted(t *testing.T) {
	var text strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&text, "wrong%d: 1\n", i)
	}
	_, err := parse("c.yaml", []byte(text.String()))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != maxProblems+1 {
		t.Fatalf("%d problems, want %d and the count of the others", len(ps), maxProblems)
	}
	// The missing registries are one more than the wrong keys.
	if last := ps[maxProblems].Error(); last != "c.yaml: and 59,981 more; fix these first" {
		t.Errorf("the last is %q", last)
	}
}

func TestALongProblemKeepsBothEnds(t *testing.T) {
	text := "registries: [{region: us-east-1, targets: [none]}]\ntargets:\n"
	for i := range maxTargets {
		text += fmt.Sprintf("  - {type: engine, host: unix:///%d.sock, name: n%s}\n", i, strings.Repeat(fmt.Sprint(i%10), 60))
	}
	key := strings.Repeat("ü", 500) // more than any key that is known, and less than YAML allows
	_, err := parse("c.yaml", []byte(text+key+": 1\n"))
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	for _, p := range ps {
		if len(p.Path) > maxText || len(p.Text) > maxText || !utf8.ValidString(p.Error()) {
			t.Errorf("%d bytes of path, %d of text", len(p.Path), len(p.Text))
		}
	}
	if got := ends(strings.Repeat("a", maxText) + " write this"); !strings.HasPrefix(got, "aaaa") || !strings.HasSuffix(got, "aa write this") {
		t.Errorf("got %q", got)
	}
}
