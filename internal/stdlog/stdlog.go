// Package stdlog keeps the text of the standard logger, of package log, from
// everybody. Libraries write there what nobody has masked: net/http quotes bytes that
// a server sent unasked, which may be a token.
package stdlog

import (
	"log"
	"time"
)

// every is how often at most it is told that lines came.
const every = time.Hour

// Divert has the standard logger of this process write nowhere. Tell hears that
// something came, at once and then once an hour at most, with the count of lines
// since it heard last. It must not use the standard logger.
func Divert(tell func(lines int)) {
	log.SetOutput(&sink{tell: tell})
}

// sink is what the logger writes to, one line at a time.
type sink struct {
	tell  func(lines int)
	told  time.Time
	lines int
}

func (s *sink) Write(line []byte) (int, error) {
	s.lines++
	if now := time.Now(); s.told.IsZero() || now.Sub(s.told) >= every {
		s.tell(s.lines)
		s.told, s.lines = now, 0
	}
	return len(line), nil
}
