package config

import "strings"

// instead says what to write in place of word: the known word that it is most
// likely meant to be, or else all of them.
func instead(word string, known []string) string {
	best, distance := "", len(word)
	for _, k := range known {
		if d := editDistance(plain(word), plain(k)); d < distance && d <= max(2, len(k)/3) {
			best, distance = k, d
		}
	}
	if best != "" {
		return `did you mean "` + best + `"?`
	}
	return "write one of " + strings.Join(known, ", ")
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
