package login

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// forms are the ways in which a secret may come back, folded: as it is, in hex, and
// in base64, which has three depending on how many bytes stand before the secret.
// Folding makes one of upper and lower case, and of the alphabets of base64.
// Escapes are undone in the text instead: there are too many ways to write them.
func forms(secret string) []string {
	all := []string{fold(secret), hex.EncodeToString([]byte(secret))}
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
		// The characters at both ends hold bits of what stands around the secret.
		head := [...]int{0, 2, 3}[before]
		tail := len(strings.TrimRight(encoded, "="))
		if (before+len(secret))%3 != 0 {
			tail--
		}
		all = append(all, fold(encoded[head:max(head, tail)]))
	}
	return all
}

// fold keeps letters and digits, in lower case.
func fold(text string) string {
	return strings.Map(func(c rune) rune {
		if c >= 0x80 {
			return -1
		}
		if b, counts := folded(byte(c)); counts {
			return rune(b)
		}
		return -1
	}, text)
}

func folded(b byte) (lower byte, counts bool) {
	switch {
	case 'a' <= b && b <= 'z', '0' <= b && b <= '9':
		return b, true
	case 'A' <= b && b <= 'Z':
		return b + 'a' - 'A', true
	}
	return 0, false
}

// view is a text reduced to letters and digits, so that neither case nor what
// stands between the pieces of a secret hides it.
type view struct {
	chars []byte
	from  []int            // where each of chars begins in the text
	to    []int            // and ends
	at    map[string][]int // where each run of window chars begins in chars
}

func (v *view) add(b byte, from, to int) {
	if b, counts := folded(b); counts {
		v.chars, v.from, v.to = append(v.chars, b), append(v.from, from), append(v.to, to)
	}
}

func (v *view) index() {
	v.at = make(map[string][]int)
	for i := 0; i+window <= len(v.chars); i++ {
		run := string(v.chars[i : i+window])
		v.at[run] = append(v.at[run], i)
	}
}

// plainView is the text as it is.
func plainView(text string) view {
	var v view
	for i := range len(text) {
		v.add(text[i], i, i+1)
	}
	v.index()
	return v
}

// unescapedView is the text with the escapes of URLs, JSON, programming languages
// and XML undone, the innermost ones too.
func unescapedView(text string) view {
	chars := make([]escaped, len(text))
	for i := range len(text) {
		chars[i] = escaped{text[i], i, i + 1}
	}
	for range 3 { // an escape of an escape of an escape
		undone := unescape(chars)
		if len(undone) == len(chars) {
			break
		}
		chars = undone
	}
	var v view
	for _, c := range chars {
		v.add(c.char, c.from, c.to)
	}
	v.index()
	return v
}

// escaped is a character and the part of the text that stands for it.
type escaped struct {
	char     byte
	from, to int
}

func unescape(chars []escaped) []escaped {
	undone := make([]escaped, 0, len(chars))
	for i := 0; i < len(chars); {
		char, length := escape(chars[i:])
		undone = append(undone, escaped{char, chars[i].from, chars[i+length-1].to})
		i += length
	}
	return undone
}

// escape returns what the beginning of chars stands for, and how many it takes.
// chars is not empty.
func escape(chars []escaped) (char byte, length int) {
	var b strings.Builder
	for _, c := range chars[:min(len(chars), 10)] { // &#x00041; is among the longest
		b.WriteByte(c.char)
	}
	text := b.String()
	number := func(digits string, base, length int) (byte, int) {
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n < 0x80 {
			return byte(n), length
		}
		return text[0], 1
	}
	switch {
	case text[0] == '%' && len(text) >= 3:
		return number(text[1:3], 16, 3)
	case text[0] == '\\' && len(text) >= 6 && (text[1] == 'u' || text[1] == 'U'):
		return number(text[2:6], 16, 6)
	case (text[0] == '\\' || text[0] == '0') && len(text) >= 4 && (text[1] == 'x' || text[1] == 'X'):
		return number(text[2:4], 16, 4)
	case strings.HasPrefix(text, "&#"):
		digits, _, ended := strings.Cut(text[2:], ";")
		if !ended {
			break
		}
		if hexadecimal := strings.TrimLeft(digits, "xX"); hexadecimal != digits {
			return number(hexadecimal, 16, len(digits)+3)
		}
		return number(digits, 10, len(digits)+3)
	case text[0] == '&':
		for _, name := range [...]string{"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"} {
			if strings.HasPrefix(text, name) { // all but & are no letters, whichever they are
				return '&', len(name)
			}
		}
	}
	return text[0], 1
}

// mark marks in secret, which has an element for each byte of the text, where a
// piece of form stands. A form shorter than window counts as a whole.
func (v view) mark(form string, secret []bool) {
	found := func(i, length int) { fill(secret[v.from[i]:v.to[i+length-1]]) }
	if len(form) >= window {
		for i := 0; i+window <= len(form); i++ {
			for _, at := range v.at[form[i:i+window]] {
				found(at, window)
			}
		}
		return
	}
	const least = 6 // below, a form would be found in words that have nothing to do with it
	if len(form) < least {
		return
	}
	for at := 0; ; at++ {
		next := strings.Index(string(v.chars[at:]), form)
		if next < 0 {
			return
		}
		at += next
		found(at, len(form))
	}
}
