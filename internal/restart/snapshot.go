package restart

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
)

// format is the version of the snapshot's form. Another one is not read, which costs
// one fetch a token.
const format = 2

// snapshot is everything that is held at one moment.
type snapshot struct {
	moment
	tokens map[string]login.Token
}

// record is the form of a snapshot: JSON.
type record struct {
	Format int
	Wall   time.Time
	Boot   time.Duration
	Tokens map[string]recordedToken
}

// recordedToken is a token whose secret is told: of two fields of one name JSON has
// the outer one.
type recordedToken struct {
	login.Token
	Secret string
}

// encode returns the bytes of s. The caller clears them when done; encoding/json may
// keep a copy, as the memory of this process keeps the secrets themselves.
func (s snapshot) encode() ([]byte, error) {
	r := record{Format: format, Wall: s.wall, Boot: s.boot, Tokens: make(map[string]recordedToken)}
	for key, t := range s.tokens {
		r.Tokens[key] = recordedToken{t, t.Secret.Reveal()}
	}
	data, err := json.Marshal(r)
	if err == nil && len(data) > sizeLimit {
		clear(data)
		return nil, fmt.Errorf("%d tokens take %d bytes, more than %d", len(s.tokens), len(data), sizeLimit)
	}
	return data, err
}

var errFormat = errors.New("it has another format, perhaps that of another version, or is broken")

// decode is the inverse of encode. Its error says nothing of the contents.
func decode(data []byte) (snapshot, error) {
	var r record
	if json.Unmarshal(data, &r) != nil || r.Format != format {
		return snapshot{}, errFormat
	}
	// Within these bounds no difference of times overflows a Duration.
	if r.Boot < 0 || r.Boot > 1<<62 || r.Wall.Year() < 1970 || r.Wall.Year() > 2100 {
		return snapshot{}, errFormat
	}
	s := snapshot{moment{r.Wall, r.Boot}, make(map[string]login.Token)}
	for key, t := range r.Tokens {
		t.Token.Secret = login.NewSecret(t.Secret)
		s.tokens[key] = t.Token
	}
	return s, nil
}

// moment is one reading of this host's two clocks.
type moment struct {
	wall time.Time
	boot time.Duration // since the kernel started, suspension included: CLOCK_BOOTTIME
}

func present() moment {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // every kernel since 2.6.39 has it; without it the wall clock decides
	return moment{time.Now(), time.Duration(ts.Nano())}
}

// shift is what must be added to a wall-clock time that was noted at m, to
// make it fit the wall clock at now. Of the two clocks the one that went further is
// believed, so a clock that was set makes a token look older at worst, never
// younger: shift is zero or less.
func (m moment) shift(now moment) time.Duration {
	byWall := now.wall.Sub(m.wall)
	return byWall - max(byWall, now.boot-m.boot, 0)
}
