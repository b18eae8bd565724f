package attacks

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// leak is a piece of a value that was found where it must not be.
type leak struct {
	field  string
	form   string
	around string // the text around it
}

// piece is how many characters of a value in a row tell something of it.
const piece = 12

// search finds, in all that a program has said, pieces of the values in any form.
func (l *ledger) search(said string) []leak {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []leak
	seen := map[string]bool{}
	for _, view := range viewsOf(said) {
		for at := range len(view) {
			for _, length := range l.lengths {
				if at+length > len(view) {
					continue
				}
				if p, known := l.pieces[view[at:at+length]]; known && !seen[p.field] {
					seen[p.field] = true
					found = append(found, leak{p.field, p.form, view[max(0, at-60):min(len(view), at+60)]})
				}
			}
		}
	}
	return found
}

// index makes the pieces of a value known to search: all of a short one.
func (l *ledger) index(v value) {
	for _, f := range formsOf(v.text) {
		length := min(piece, len(f.text))
		if length < shortest {
			continue
		}
		if !slices.Contains(l.lengths, length) {
			l.lengths = append(l.lengths, length)
		}
		for at := 0; at+length <= len(f.text); at++ {
			l.pieces[f.text[at:at+length]] = leak{field: v.field, form: f.name}
		}
	}
}

// viewsOf are the readings of a text: as it is and with each kind of escape undone,
// in lower case, with and without what is neither letter nor digit.
func viewsOf(text string) []string {
	readings := []string{text, unpercent(text), unescape(text), html.UnescapeString(text), unpercent(unescape(text)), unescape(unescape(text))}
	var views []string
	seen := map[string]bool{}
	for _, r := range readings {
		for _, v := range []string{strings.ToLower(r), squeeze(r)} {
			if !seen[v] {
				seen[v] = true
				views = append(views, v)
			}
		}
	}
	return views
}

var escapes = regexp.MustCompile(`\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\.`)

// unescape undoes the escapes of JSON and Go.
func unescape(text string) string {
	return escapes.ReplaceAllStringFunc(text, func(e string) string {
		if n, err := strconv.ParseUint(e[2:], 16, 16); err == nil {
			return string(rune(n))
		}
		return e[1:]
	})
}

var percents = regexp.MustCompile(`%[0-9a-fA-F]{2}`)

func unpercent(text string) string {
	return percents.ReplaceAllStringFunc(text, func(e string) string {
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		return string([]byte{byte(n)})
	})
}

// squeeze keeps letters and digits, in lower case.
func squeeze(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		}
		return -1
	}, text)
}

type form struct{ name, text string }

// formsOf are a value and what encodes it.
func formsOf(text string) []form {
	forms := []form{{"plain", strings.ToLower(text)}, {"squeezed", squeeze(text)}, {"hex", hex.EncodeToString([]byte(text))}}
	for before := range 3 {
		all := base64.StdEncoding.EncodeToString(append(make([]byte, before), text...))
		// The characters at both ends hold bits of the neighbours, too.
		head, tail := (before*8+5)/6, (before+len(text))*8/6
		forms = append(forms, form{fmt.Sprintf("base64 after %d bytes", before), strings.ToLower(all[head:tail])})
		forms = append(forms, form{fmt.Sprintf("base64 after %d bytes, squeezed", before), squeeze(all[head:tail])})
	}
	return forms
}

func TestTheSearchFindsEveryEncoding(t *testing.T) {
	secret := newSecret(40)
	l := newLedger()
	l.note("GET //Token", secret)
	for _, e := range encodings {
		for _, text := range []string{secret, secret[7:33]} {
			if said := "the endpoint said " + e.encode(text) + ", no"; len(l.search(said)) == 0 {
				t.Errorf("%s: not found in %s", e.name, said)
			}
		}
	}
	for _, said := range []string{"", "token renewed", secret[:10], "[redacted]" + secret[3:12] + " no", newSecret(40)} {
		if found := l.search(said); len(found) > 0 {
			t.Errorf("found %v in %q", found, said)
		}
	}
	l.note("/TokenCode", code)
	if len(l.search("the code "+code+" is wrong")) != 1 {
		t.Error("a code is not found")
	}
}
