package config

import (
	"slices"
	"strconv"
	"strings"

	"ecr-refreshd/internal/registry"
)

// Warnings returns what may be a mistake and is none for certain, in the file's
// order: regions that this version does not know. They are used all the same,
// as AWS adds regions.
func (c *Config) Warnings() Problems {
	var warnings Problems
	known := registry.Regions()
	warned := map[string]bool{}
	for _, g := range c.Grants {
		if warned[g.Region] || slices.Contains(known, g.Region) {
			continue
		}
		warned[g.Region] = true
		text := "region " + strconv.Quote(g.Region) + " is not one that this version knows"
		if best := nearest(g.Region, known); best != "" {
			text += "; did you mean " + strconv.Quote(best) + "?"
		} else {
			text += "; see that it is spelled as AWS has it"
		}
		warnings = append(warnings, Problem{File: c.Path, Line: g.Hosts[0].Line, Text: text})
	}
	return warnings
}

// instead says what to write in place of word: the known word that it is most
// likely meant to be, or else all of them.
func instead(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return `did you mean "` + best + `"?`
	}
	return "write one of " + strings.Join(known, ", ")
}

// nearest returns the known word that word is most likely meant to be, or "".
func nearest(word string, known []string) string {
	best, distance := "", len(word)
	for _, k := range known {
		if d := editDistance(plain(word), plain(k)); d < distance && d <= max(2, len(k)/3) {
			best, distance = k, d
		}
	}
	return best
}

// plain makes spellings such as roleArn, role-arn and role_arn alike.
func plain(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(s), "-", ""), "_", "")
}

// editDistance counts the letters to insert, remove or replace between a and b,
// in bytes. Long words are far from everything.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
