package attacks

import (
	"testing"
)

// FuzzEcho makes other answers of the echoes, for every request in turn, and
// searches what is said for what was sent.
func FuzzEcho(f *testing.F) {
	type place struct {
		road    road
		request string
	}
	var places []place
	for _, r := range roads {
		for _, request := range r.requests {
			places = append(places, place{r, request})
		}
	}
	requests := len(places) + 4 // those of an engine
	for i, echo := range append(registryEchoes, echoes...) {
		for at := range requests {
			if (i+at)%7 == 0 {
				f.Add(uint8(at), uint8(i), uint8(i+at), echo.answer)
			}
		}
	}
	f.Fuzz(func(t *testing.T, at, encoding, turn uint8, answer string) {
		silence(t)
		a := attack{answer, encodings[int(encoding)%len(encodings)].encode, int(turn)}
		var (
			text string
			c    *cloud
		)
		if i := int(at) % requests; i < len(places) {
			text, c = places[i].road.attempt(t, places[i].request, a)
		} else {
			text, c = store(t, [...]string{"unix", "tcp"}[i%2], [...]string{askPing, askLogin}[i/2%2], a)
		}
		for _, l := range c.ledger.search(text) {
			t.Errorf("%s is shown as %s: …%s…", l.field, l.form, l.around)
		}
	})
}
