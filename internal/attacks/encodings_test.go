package attacks

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// newSecret makes one of the kind that AWS does, of length characters.
func newSecret(length int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+"
	raw := make([]byte, length)
	_, _ = rand.Read(raw) // it never fails
	for i := range raw {
		raw[i] = alphabet[int(raw[i])%len(alphabet)]
	}
	return string(raw)
}

// encodings are the ways in which a server may write what it got.
var encodings = []struct {
	name   string
	encode func(string) string
}{
	{"raw", func(s string) string { return s }},
	{"JSON escapes", each(`\u%04x`)},
	{"JSON escapes of JSON", each(`\\u%04X`)},
	{"Go escapes", each(`\\x%02x`)},
	{"XML escapes", each(`&#x%x;`)},
	{"percent", each("%%%02X")},
	{"percent of percent", each("%%25%02x")},
	{"query", url.QueryEscape},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"upper hex", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }},
	{"spaced hex", each("%02x ")},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
	{"base64 after 1 byte", func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s)) }},
	{"base64 after 2 bytes", func(s string) string { return base64.StdEncoding.EncodeToString([]byte("xy" + s + "z")) }},
	{"URL base64", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
	{"upper case", strings.ToUpper},
	{"lower case", strings.ToLower},
	{"pieces of 15", func(s string) string {
		var pieces []string
		for len(s) > 15 {
			pieces, s = append(pieces, s[:15]), s[15:]
		}
		return strings.Join(append(pieces, s), " ")
	}},
	{"the middle", func(s string) string { return s[len(s)/4 : len(s)-len(s)/4] }},
}

// each writes every byte with a format.
func each(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}
