package engine

import (
	"encoding/base64"
	"testing"
)

// The limits of login.Redactor.
const textLimit, window = 500, 10

func TestTheRedactorKnowsEveryFormOfAPassword(t *testing.T) {
	r := newRedactor(append(passwordFor("a", ""), loginsFor("b", "c")...))
	pair := []byte("AWS:" + password)
	for _, form := range []string{password, base64.StdEncoding.EncodeToString(pair), base64.URLEncoding.EncodeToString(pair)} {
		if got := r.Clean("got " + form + "."); got != "got [redacted]." {
			t.Errorf("got %q", got)
		}
	}
}
