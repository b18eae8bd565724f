package login

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// password is long and random as an ECR token is.
const password = "eyJwYXlsb2FkIjoiQ2FuYXJ5LTdmM2ExYzlkNWU4YjI0NjAiLCJ2ZXJzaW9uIjoiMiJ9"

func TestClean(t *testing.T) {
	r := NewRedactor(NewSecret(password), Secret{}, NewSecret("short"))
	tests := []struct{ name, text, want string }{
		{"harmless", "failed with status: 401 Unauthorized", "failed with status: 401 Unauthorized"},
		{"lines and controls", "one\n\ttwo\x1b[31m three\x00", "one two [31m three"},
		{"whole secret", "got " + password + ".", "got [redacted]."},
		{"piece of a secret", "got " + password[5:40] + ".", "got [redacted]."},
		{"short secret", "too short", "too [redacted]"},
		{"too short for a piece", "got " + password[:window-1], "got " + password[:window-1]},
		{"long", strings.Repeat("ä", textLimit), strings.Repeat("ä", textLimit/2) + "..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Clean(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if r.Finds(tt.text) != strings.Contains(tt.want, redacted) {
				t.Errorf("Finds is %v", r.Finds(tt.text))
			}
		})
	}
	if text := fmt.Sprintf("%v %+v %#v", r, r, &r); strings.Contains(text, password) {
		t.Error("a redactor prints what it knows")
	}
	if n := len(NewRedactor(NewSecret("a"), NewSecret("a")).secrets); n != 1 {
		t.Errorf("one secret is kept %d times", n)
	}
}

// echoes are the ways in which a server has been seen, or could be made, to send
// back what it got.
var echoes = map[string]func(string) string{
	"raw":             func(s string) string { return s },
	"upper case":      strings.ToUpper,
	"lower case":      strings.ToLower,
	"percent":         func(s string) string { return each(s, "%%%02X") },
	"query":           url.QueryEscape,
	"percent twice":   func(s string) string { return url.QueryEscape(each(s, "%%%02x")) },
	"JSON":            func(s string) string { return each(s, `\u%04x`) },
	"C":               func(s string) string { return each(s, `\x%02x`) },
	"C array":         func(s string) string { return each(s, "0x%02x, ") },
	"XML":             func(s string) string { return each(s, "&#x%x;") },
	"XML decimal":     func(s string) string { return each(s, "&#%d;") },
	"XML of XML":      func(s string) string { return html.EscapeString(each(s, "&#%d;")) },
	"hex":             func(s string) string { return hex.EncodeToString([]byte(s)) },
	"hex dump":        func(s string) string { return fmt.Sprintf("% X", s) },
	"base64":          func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 of a URL": func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"base64, one on":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "y")) },
	"base64, two on":  func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte("AWS:x" + s)) },
	"base64, escaped": func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(s))) },
	"pieces of 15":    func(s string) string { return pieces(s, 15, " ") },
	"pieces of 12":    func(s string) string { return pieces(s, 12, " then ") },
	"pieces of 4":     func(s string) string { return pieces(s, 4, "\r\n") },
}

func each(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func pieces(s string, length int, between string) string {
	var all []string
	for chunk := range slices.Chunk([]byte(s), length) {
		all = append(all, string(chunk))
	}
	return strings.Join(all, between)
}

func TestNoFormOfASecretPasses(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY&<\"%=:q8"
	r := NewRedactor(NewSecret(secret), NewSecret("another-one-0123456789"))
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			for from := 0; from+24 <= len(secret); from += 5 {
				sent := echo(secret[from : from+24])
				got := r.Clean("you sent " + sent + " to us")
				rest := strings.NewReplacer("you sent", "", "to us", "", redacted, "", "then", "").Replace(got)
				if !strings.Contains(got, redacted) || len(unescapedView(rest).chars) >= window {
					t.Fatalf("%q becomes %q", sent, got)
				}
				if !r.Finds(sent) {
					t.Errorf("%q is not found", sent)
				}
			}
		})
	}
}

func TestSentencesOfAWSStayWhole(t *testing.T) {
	const text = `AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/pull/i-0123456789abcdef0 is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows it (request id 6ba7b810-9dad-11d1-80b4-00c04fd430c8)`
	if got := NewRedactor(NewSecret(password), NewSecret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")).Clean(text); got != text {
		t.Errorf("got %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a", 0, 20)
	f.Fuzz(func(t *testing.T, around string, from, to int) {
		if from < 0 || to > len(password) || from > to {
			return
		}
		r := NewRedactor(NewSecret(password))
		for name, echo := range echoes {
			got := r.Clean(around + echo(password[from:to]) + around)
			if r.Finds(got) {
				t.Fatalf("%s: %q shows a piece of the secret", name, got)
			}
			if !utf8.ValidString(got) || len(got) > textLimit+3 || strings.ContainsAny(got, "\n\r\x1b") {
				t.Errorf("got %q", got)
			}
		}
	})
}
