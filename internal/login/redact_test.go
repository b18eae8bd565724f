package login

import (
	"fmt"
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

func FuzzClean(f *testing.F) {
	f.Add("a", 0, 20)
	f.Fuzz(func(t *testing.T, around string, from, to int) {
		if from < 0 || to > len(password) || from > to {
			return
		}
		got := NewRedactor(NewSecret(password)).Clean(around + password[from:to] + around)
		for i := 0; i+window <= len(password); i++ {
			if strings.Contains(got, password[i:i+window]) {
				t.Fatalf("%q shows a piece of the secret", got)
			}
		}
		if !utf8.ValidString(got) || len(got) > textLimit+3 || strings.ContainsAny(got, "\n\r\x1b") {
			t.Errorf("got %q", got)
		}
	})
}
