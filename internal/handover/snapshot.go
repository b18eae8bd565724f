package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ecr-refreshd/internal/login"
)

// snapshot is everything that is held at one moment. Its form in bytes:
//
//	format | wall clock | boot clock (ns) | number of tokens, and for each, by ascending key:
//	key | user name | secret | account | obtained | expires | session ends
//
// A text is preceded by its length in 4 bytes; a time is milliseconds since 1970,
// rounded down, 0 for none; numbers are big-endian. It is not JSON, because
// encoding/json keeps copies of what it has written where they cannot be cleared.
type snapshot struct {
	moment
	tokens map[string]login.Token
}

const (
	// format names form and version. A change of the form changes the version;
	// another version is not read, which costs one fetch a token.
	format = "ecr-refreshd tokens 1\n"
	// endOfTime, in milliseconds since 1970 or nanoseconds since boot, is what
	// keeps all differences of times within a Duration: the year 2109, 146 years.
	endOfTime, longestBoot = 1 << 42, 1 << 62
)

// encode gives the bytes of s, in a buffer that holds them and nothing else, so
// that clearing it leaves no copy.
func (s snapshot) encode() ([]byte, error) {
	size := s.size()
	if size > sizeLimit {
		return nil, fmt.Errorf("%d tokens take %d bytes, more than %d", len(s.tokens), size, sizeLimit)
	}
	b := append(make([]byte, 0, size), format...)
	b = appendTime(b, s.wall)
	b = binary.BigEndian.AppendUint64(b, uint64(s.boot))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.tokens)))
	for _, key := range slices.Sorted(maps.Keys(s.tokens)) {
		t := s.tokens[key]
		for _, text := range texts(key, t) {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
		}
		for _, at := range []time.Time{t.ObtainedAt, t.ExpiresAt, t.SessionEndsAt} {
			b = appendTime(b, at)
		}
	}
	return b, nil
}

func (s snapshot) size() int {
	size := len(format) + 8 + 8 + 4
	for key, t := range s.tokens {
		for _, text := range texts(key, t) {
			size += 4 + len(text)
		}
		size += 3 * 8
	}
	return size
}

func texts(key string, t login.Token) [4]string {
	return [4]string{key, t.Username, t.Secret.Reveal(), t.Account}
}

func appendTime(b []byte, t time.Time) []byte {
	var ms int64
	if !t.IsZero() {
		ms = max(t.UnixMilli(), 1) // a clock cannot be set to before 1970
	}
	return binary.BigEndian.AppendUint64(b, uint64(ms))
}

// decode is the inverse of encode and takes nothing that encode would not have
// made. Its error tells nothing of the contents.
func decode(data []byte) (snapshot, error) {
	r := reader{rest: data}
	if string(r.next(len(format))) != format {
		return snapshot{}, errors.New("it has another format, perhaps that of another version")
	}
	s := snapshot{moment{r.time(), time.Duration(r.number(longestBoot))}, make(map[string]login.Token)}
	last := ""
	for range r.count() {
		key := r.text()
		t := login.Token{Username: r.text(), Secret: login.NewSecret(r.text()), Account: r.text(),
			ObtainedAt: r.time(), ExpiresAt: r.time(), SessionEndsAt: r.time()}
		if r.broken || key <= last {
			return snapshot{}, errBroken
		}
		s.tokens[key], last = t, key
	}
	if r.broken || len(r.rest) > 0 {
		return snapshot{}, errBroken
	}
	return s, nil
}

var errBroken = errors.New("its contents are broken")

// reader takes values off the front of rest. Once something does not fit, it
// is broken and gives zeros.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) next(n int) []byte {
	if r.broken || n > len(r.rest) {
		r.broken = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) count() uint32 {
	if b := r.next(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) text() string {
	// In 64 bits, where every count is a length, on any machine.
	n := int64(r.count())
	if n > int64(len(r.rest)) {
		r.broken = true
		return ""
	}
	return string(r.next(int(n)))
}

func (r *reader) number(limit uint64) int64 {
	b := r.next(8)
	if b == nil {
		return 0
	}
	n := binary.BigEndian.Uint64(b)
	if n >= limit {
		r.broken = true
		return 0
	}
	return int64(n)
}

func (r *reader) time() time.Time {
	if ms := r.number(endOfTime); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}
