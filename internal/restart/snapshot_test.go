package restart

import (
	"maps"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

// noon is a wall clock to the millisecond, as a snapshot keeps it.
var noon = time.UnixMilli(1_790_000_000_123)

const day = 24 * time.Hour

// token gives one that was obtained at noon, with everything in it.
func token(secret string) login.Token {
	return login.Token{Username: "AWS", Secret: login.NewSecret(secret), Account: "111122223333",
		ObtainedAt: noon, ExpiresAt: noon.Add(12 * time.Hour), SessionEndsAt: noon.Add(time.Hour)}
}

func at(wall, boot time.Duration) moment { return moment{noon.Add(wall), day + boot} }

func same(a, b login.Token) bool {
	return a.Username == b.Username && a.Secret.Equal(b.Secret) && a.Account == b.Account && a.ObtainedAt.Equal(b.ObtainedAt) &&
		a.ExpiresAt.Equal(b.ExpiresAt) && a.SessionEndsAt.Equal(b.SessionEndsAt) && a.SessionEndsAt.IsZero() == b.SessionEndsAt.IsZero()
}

func encoded(t testing.TB, tokens map[string]login.Token) []byte {
	t.Helper()
	data, err := snapshot{at(0, 0), tokens}.encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSnapshotGivesBackWhatWasPutIn(t *testing.T) {
	public := token("public")
	public.Account, public.SessionEndsAt = "", time.Time{}
	tests := []struct {
		name string
		want map[string]login.Token
	}{
		{"none", nil},
		{"one", map[string]login.Token{`{"Region":"eu-west-1"}`: token("s")}},
		{"several", map[string]login.Token{"b": token("one"), "a": public, "ä\x00": token(strings.Repeat("long", 5000))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := encoded(t, tt.want)
			got, err := decode(data)
			if err != nil {
				t.Fatal(err)
			}
			clear(data) // the tokens must not live in the buffer
			if !got.wall.Equal(noon) || got.boot != day {
				t.Errorf("clocks are %v and %v", got.wall, got.boot)
			}
			if !maps.EqualFunc(got.tokens, tt.want, same) {
				t.Errorf("tokens are %v, want %v", got.tokens, tt.want)
			}
		})
	}
}

func TestSnapshotHasALimit(t *testing.T) {
	tokens := map[string]login.Token{"k": token(strings.Repeat("x", sizeLimit))}
	if _, err := (snapshot{at(0, 0), tokens}).encode(); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

func TestDecodeTakesNothingElse(t *testing.T) {
	good := string(encoded(t, map[string]login.Token{"a": token("canary-1"), "b": token("canary-2")}))
	type test struct{ name, data string }
	tests := []test{
		{"nothing", ""},
		{"null", "null"},
		{"the format of earlier versions", "ecr-refreshd tokens 1\n\x00\x00\x01"},
		{"a newer format", strings.Replace(good, `"Format":2`, `"Format":3`, 1)},
		{"no format", strings.Replace(good, `"Format":2`, `"Other":2`, 1)},
		{"more at the end", good + "x"},
		{"a secret that is no text", strings.Replace(good, `"canary-1"`, `["canary-1"]`, 1)},
		{"a wall clock beyond time", strings.Replace(good, `"Wall":"2026`, `"Wall":"9026`, 1)},
		{"a negative boot clock", strings.Replace(good, `"Boot":`, `"Boot":-`, 1)},
		{"a boot clock beyond time", strings.Replace(good, `"Boot":`, `"Boot":99999`, 1)},
	}
	for n := range len(good) {
		tests = append(tests, test{"cut short", good[:n]})
	}
	for _, tt := range tests {
		_, err := decode([]byte(tt.data))
		if err == nil || tt.data == good || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s at %d bytes: got %v", tt.name, len(tt.data), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, nil), int64(0), int64(0))
	f.Add(encoded(f, map[string]login.Token{"a": token("s"), "b": {}}), int64(time.Hour), int64(-time.Hour))
	f.Fuzz(func(t *testing.T, data []byte, wall, boot int64) {
		s, err := decode(data)
		if err != nil {
			return
		}
		now := at(time.Duration(wall), time.Duration(boot))
		for key, got := range s.alive(now) {
			if got.ExpiresAt.Sub(now.wall) > s.tokens[key].ExpiresAt.Sub(s.wall) {
				t.Errorf("token %q looks younger than it was", key)
			}
		}
		again, err := s.encode()
		if err != nil { // a time that JSON cannot say
			return
		}
		if twice, err := decode(again); err != nil || !maps.EqualFunc(twice.tokens, s.tokens, same) {
			t.Errorf("does not come back: %v", err)
		}
	})
}
