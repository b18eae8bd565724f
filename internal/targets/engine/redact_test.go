package engine

import (
	"encoding/base64"
	"testing"
	"time"
)

// The limits of login.Redactor.
const textLimit, window = 500, 10

func TestTheRedactorKnowsEveryFormOfAPassword(t *testing.T) {
	r := new(secrets)
	r.add(append(passwordFor("a", ""), loginsFor("b", "c")...), time.Now())
	pair := []byte("AWS:" + password)
	for _, form := range []string{password, base64.StdEncoding.EncodeToString(pair), base64.URLEncoding.EncodeToString(pair)} {
		if got := r.clean("got " + form + "."); got != "got [redacted]." {
			t.Errorf("got %q", got)
		}
	}
}
