package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	r := newRedactor(loginsFor("a", "b"))
	tests := []struct{ name, text, want string }{
		{"harmless", "failed with status: 401 Unauthorized", "failed with status: 401 Unauthorized"},
		{"lines and controls", "one\n\ttwo\x1b[31m three\x00", "one two [31m three"},
		{"whole secret", "got " + password + ".", "got [redacted]."},
		{"piece of a secret", "got " + password[5:40] + ".", "got [redacted]."},
		{"too short for a piece", "got " + password[:window-1], "got " + password[:window-1]},
		{"long", strings.Repeat("ä", textLimit), strings.Repeat("ä", textLimit/2) + "..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.clean(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if n := len(r.secrets); n != 3 {
		t.Errorf("two logins with one token make %d forms, want 3", n)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a", 0, 20)
	f.Fuzz(func(t *testing.T, around string, from, to int) {
		if from < 0 || to > len(password) || from > to {
			return
		}
		got := newRedactor(loginsFor("h")).clean(around + password[from:to] + around)
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
