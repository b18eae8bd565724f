package dockerconfig

import (
	"bytes"
	"encoding/json"
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

// unquoted is the string that a JSON string means.
func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		panic("a JSON string that is none") // the JSON was checked
	}
	return s
}
