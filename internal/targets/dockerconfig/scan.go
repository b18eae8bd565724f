package dockerconfig

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The functions below walk through JSON that is known to be valid. A file with a
// thousand logins has megabytes, nearly all of them within strings, over which they
// leap; encoding/json would look at each byte many times.

func skipSpace(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r') {
		at++
	}
	return at
}

// skipString gives the index after the string that starts at at.
func skipString(raw []byte, at int) int {
	for at++; ; at++ {
		at += bytes.IndexByte(raw[at:], '"')
		escapes := 0
		for raw[at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at + 1
		}
	}
}

// skipValue gives the index after the value that starts at at.
func skipValue(raw []byte, at int) int {
	for depth := 0; at < len(raw); {
		switch raw[at] {
		case '"':
			at = skipString(raw, at)
		case '{', '[':
			depth++
			at++
			continue
		case '}', ']':
			depth--
			at++
		case ' ', '\n', '\t', '\r', ',', ':':
			at++
			continue
		default: // a number, true, false or null
			at += len(raw[at:]) - len(bytes.TrimLeft(raw[at:], "+-.0123456789Eaeflnrstu"))
		}
		if depth == 0 {
			return at
		}
	}
	return at
}

// countMembers counts the members of all objects within raw.
func countMembers(raw []byte) (n int) {
	for at := 0; at < len(raw); {
		switch raw[at] {
		case '"':
			at = skipString(raw, at)
			continue
		case ':':
			n++
		}
		at++
	}
	return n
}

// checkSize returns errTooLarge or errTooMany for content, valid JSON, that could
// not be read again.
func checkSize(content []byte) error {
	if len(content) > maxSize {
		return tooLarge(maxSize)
	}
	if countMembers(content) > maxMembers {
		return errTooMany
	}
	return nil
}

// unquoted is the string that a JSON string means.
func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		panic("a JSON string that is none") // the JSON was checked
	}
	return s
}

// maxIndent is the depth from which values stand in one line. docker's own go to
// four; without a bound, a small file of many brackets would become a huge one of
// tabs.
const maxIndent = 8

// indent gives raw the form in which docker writes it: a line for each member,
// indented with tabs. What would become much larger that way stays as it is.
func indent(raw []byte) []byte {
	most := min(2*len(raw)+4096, maxSize)
	out := make([]byte, 0, len(raw)+len(raw)/8)
	depth := 0
	newline := func() {
		if depth <= maxIndent {
			out = append(append(out, '\n'), strings.Repeat("\t", depth)...)
		}
	}
	for at := skipSpace(raw, 0); at < len(raw); at = skipSpace(raw, at) {
		if len(out) > most {
			return raw
		}
		switch c := raw[at]; c {
		case '"':
			end := skipString(raw, at)
			out = append(out, raw[at:end]...)
			at = end
			continue
		case '{', '[':
			out = append(out, c)
			depth++
			if next := skipSpace(raw, at+1); raw[next] != '}' && raw[next] != ']' {
				newline()
			}
		case '}', ']':
			depth--
			if last := out[len(out)-1]; last != '{' && last != '[' {
				newline()
			}
			out = append(out, c)
		case ',':
			out = append(out, c)
			newline()
		case ':':
			out = append(out, c)
			if depth <= maxIndent {
				out = append(out, ' ')
			}
		default:
			out = append(out, c)
		}
		at++
	}
	return out
}
