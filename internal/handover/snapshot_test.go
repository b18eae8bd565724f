package handover

import (
	"bytes"
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
			if cap(data) != len(data) {
				t.Errorf("the buffer has grown: %d bytes in %d, so a copy is left", len(data), cap(data))
			}
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
	good := encoded(t, map[string]login.Token{"a": token("canary-1"), "b": token("canary-2")})
	one := encoded(t, map[string]login.Token{"a": token("canary-1")})
	entry := one[len(format)+20:]
	change := func(at int, b byte) []byte {
		c := bytes.Clone(good)
		c[at] = b
		return c
	}
	tests := []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "another format", nil},
		{"a newer version", "another format", change(len(format)-2, '2')},
		{"more at the end", "broken", append(bytes.Clone(good), 0)},
		{"a clock beyond time", "broken", change(len(format), 1)},
		{"a negative clock", "broken", change(len(format)+8, 0x80)},
		{"more tokens than there are", "broken", change(len(format)+19, 3)},
		{"fewer tokens than there are", "broken", change(len(format)+19, 1)},
		{"an absurd number of tokens", "broken", change(len(format)+16, 0xff)},
		{"an absurd length", "broken", change(len(format)+20, 0xff)},
		{"a key twice", "broken", append(change(len(format)+19, 2)[:len(format)+20], bytes.Repeat(entry, 2)...)},
	}
	for n := range len(good) {
		want := "broken"
		if n < len(format) {
			want = "another format"
		}
		tests = append(tests, struct {
			name, want string
			data       []byte
		}{"cut short", want, good[:n]})
	}
	for _, tt := range tests {
		_, err := decode(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s at %d bytes: got %v, want %q", tt.name, len(tt.data), err, tt.want)
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
		again, err := s.encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("encodes to something else: %v", err)
		}
		now := at(time.Duration(wall), time.Duration(boot))
		for key, got := range s.alive(now) {
			if got.ExpiresAt.Sub(now.wall) > s.tokens[key].ExpiresAt.Sub(s.wall) {
				t.Errorf("token %q looks younger than it was", key)
			}
		}
	})
}
