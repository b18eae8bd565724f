package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a file. It never holds the value of
// a key that may be a secret.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 where the place is not known
	Path         string // such as registries[0].account; empty for the file as a whole
	Text         string // what was read; what to write instead
}

// Error gives the problem in one line: FILE:LINE:COL: PATH: TEXT.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	for _, n := range []int{p.Line, p.Column} {
		if n > 0 {
			fmt.Fprintf(&b, ":%d", n)
		}
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	return b.String() + ": " + p.Text
}

// Problems is everything that is wrong with a file, in the file's order.
type Problems []Problem

// Error gives one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// What is kept of a file's problems. They go to the terminal, the log and the
// status, and whoever pastes the wrong file has tens of thousands.
const (
	maxProblems = 20
	maxText     = 600 // bytes of a Path or a Text
)

// err gives the first problems found so far, each once, with the count of the
// others, or nil.
func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	found := slices.Compact(d.problems) // a mistake in the common aws block may show in every registry
	kept := found[:min(len(found), maxProblems)]
	for i := range kept {
		kept[i].Path, kept[i].Text = ends(kept[i].Path), ends(kept[i].Text)
	}
	if more := len(found) - len(kept); more > 0 {
		kept = append(kept, Problem{File: d.file, Text: "and " + grouped(more) + " more; fix these first"})
	}
	return kept
}

// ends takes out the middle of a long text: what was read stands at its
// beginning, what to write instead at its end.
func ends(text string) string {
	if len(text) <= maxText {
		return text
	}
	const gap = " … "
	half := (maxText - len(gap)) / 2
	return strings.ToValidUTF8(text[:half], "") + gap + strings.ToValidUTF8(text[len(text)-half:], "")
}

// grouped writes a number for people, as in 59,980.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
