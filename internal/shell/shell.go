// Package shell writes words into commands that people paste into a shell. It runs nothing.
package shell

import (
	"regexp"
	"strings"
	"unicode"
)

// bareWord is what every POSIX shell takes as it is.
var bareWord = regexp.MustCompile(`^[\w./@+:][\w./@+:~-]*$`)

// Quote makes s, which may be anything, one word for a POSIX shell. What a terminal would not
// show, or act upon, is replaced: the command then finds nothing, and stays one line.
func Quote(s string) string {
	if bareWord.MatchString(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
