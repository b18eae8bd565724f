package clientview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// walker goes through a JSON value token by token, to find where things stand.
type walker struct {
	content []byte
	dec     *json.Decoder
	offset  int64 // up to which line counts
	line    int
	visit   func(path []string, line int, end int64) bool
}

// walk calls visit for the start of every value of content: with the path to it, the
// line of its key, and where the value ends or, of an object or array, its bracket.
// It ends when visit returns false. The content must have been decoded before: that
// bounds its depth.
func walk(content []byte, visit func(path []string, line int, end int64) bool) {
	w := &walker{content: content, dec: json.NewDecoder(bytes.NewReader(content)), line: 1, visit: visit}
	w.dec.UseNumber()
	w.value(nil, 1)
}

func (w *walker) value(path []string, line int) bool {
	token, err := w.dec.Token()
	if err != nil || !w.visit(path, line, w.dec.InputOffset()) {
		return false
	}
	switch token {
	case json.Delim('{'):
		for w.dec.More() {
			key, err := w.dec.Token()
			name, ok := key.(string)
			if err != nil || !ok || !w.value(append(path, name), w.lineHere()) {
				return false
			}
		}
	case json.Delim('['):
		for i := 0; w.dec.More(); i++ {
			if !w.value(append(path, fmt.Sprintf("[%d]", i)), w.lineHere()) {
				return false
			}
		}
	default:
		return true
	}
	_, err = w.dec.Token()
	return err == nil
}

// lineHere is the line of the token that was read last.
func (w *walker) lineHere() int {
	to := w.dec.InputOffset()
	w.line += bytes.Count(w.content[w.offset:to], []byte{'\n'})
	w.offset = to
	return w.line
}

// lines finds the line of every key of the first two levels; that of the first level
// in lower case, as docker does not look at the case there. Of doubles the last counts.
func lines(content []byte) map[[2]string]int {
	found := map[[2]string]int{}
	walk(content, func(path []string, line int, _ int64) bool {
		switch len(path) {
		case 1:
			found[[2]string{strings.ToLower(path[0])}] = line
		case 2:
			found[[2]string{strings.ToLower(path[0]), path[1]}] = line
		}
		return true
	})
	return found
}

// placeAt finds the value that a decoder's error at the offset is about.
func placeAt(content []byte, offset int64) (key string, line int) {
	walk(content, func(path []string, at int, end int64) bool {
		if end < offset {
			return true
		}
		key, line = keyText(path), at
		return false
	})
	return key, line
}

var (
	plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	index = regexp.MustCompile(`^\[[0-9]+\]$`)
)

// keyText writes a path as people do: `proxies.default`, `auths["registry.example"]`.
func keyText(path []string) string {
	var b strings.Builder
	for i, key := range path {
		hosts := i == 1 && (strings.EqualFold(path[0], "auths") || strings.EqualFold(path[0], "credHelpers"))
		switch {
		case i == 0 || index.MatchString(key):
			b.WriteString(printable(key))
		case plain.MatchString(key) && !hosts && len(key) <= maxKey:
			b.WriteString("." + key)
		default:
			fmt.Fprintf(&b, "[%q]", printable(key))
		}
	}
	return b.String()
}

// maxKey is how much of a name from a file is shown, in bytes.
const maxKey = 200

// printable is what can be shown of a name from a file.
func printable(s string) string { return Printable(s, maxKey) }

// Printable is what can be shown of the first bytes of a text from a file.
func Printable(s string, most int) string {
	s = strings.ToValidUTF8(s[:min(len(s), most)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// syntaxPlace is where content stops being JSON.
func syntaxPlace(content []byte, offset int64) (line, column int) {
	before := content[:min(max(offset, 0), int64(len(content)))]
	return 1 + bytes.Count(before, []byte{'\n'}), len(before) - bytes.LastIndexByte(before, '\n')
}
