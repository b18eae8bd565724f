package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"ecr-refreshd/internal/access"
)

const (
	// remindEvery is how often the same refusal is logged again.
	remindEvery = time.Hour
	// maxRemembered and maxUserRemembered bound the refusals that are remembered,
	// of all users and of one. Beyond them the oldest is forgotten, and so said again.
	maxRemembered     = 8192
	maxUserRemembered = 64
	// maxLines, of each code, and maxUserLines bound the lines of a minute: whoever
	// asks for everything as everybody must not fill the disk. What is beyond goes to
	// the log at debug level, and is said when it happens again in a later minute.
	// Root and the own user have their lines beside those of all others.
	maxLines     = 120
	maxUserLines = 20
)

// journal logs that somebody did not get a login: a client such as docker hides
// the answer from the person who waits for it. Safe for concurrent use.
type journal struct {
	logger    *zap.Logger
	directory *access.Directory

	mu     sync.Mutex
	said   map[occasion]time.Time
	minute minute
}

// minute counts the lines since its start.
type minute struct {
	start  time.Time
	others map[int]int // lines by code, of all but the privileged
	users  map[uint32]int
}

// occasion is what makes two refusals the same to a reader.
type occasion struct {
	uid    uint32
	host   string
	code   int
	reason string
}

func newJournal(logger *zap.Logger, d *access.Directory) *journal {
	return &journal{logger: logger, directory: d, said: make(map[occasion]time.Time)}
}

// refused logs the answer code with p to a request for the login of host.
func (j *journal) refused(ctx context.Context, code int, host string, who access.Peer, p problem) {
	level, message := zapcore.WarnLevel, "credential refused"
	switch code {
	case http.StatusNotFound:
		level, message = zapcore.DebugLevel, "credential of a foreign host asked for"
	case http.StatusServiceUnavailable:
		message = "credential not available"
	}
	if level == zapcore.WarnLevel && !j.news(occasion{who.UID, host, code, p.Reason}, j.directory.Privileged(who), time.Now()) {
		level = zapcore.DebugLevel
	}
	entry := j.logger.Check(level, message)
	if entry == nil {
		return
	}
	p = p.printable()
	who = j.directory.Named(ctx, who)
	entry.Write(zap.String("host", host), zap.Uint32("uid", who.UID), zap.String("user", who.Name), zap.Int("pid", who.PID),
		zap.String("reason", p.Reason), zap.String("hint", p.Hint), zap.String("error", p.Message))
}

// news reports whether o, of a privileged user or another, has not been said
// lately and may be now, and remembers that it is.
func (j *journal) news(o occasion, privileged bool, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if last, ok := j.said[o]; ok && now.Sub(last) < remindEvery {
		return false
	}
	if !j.minute.take(o, privileged, now) {
		return false
	}
	j.makeRoom(o.uid)
	j.said[o] = now
	return true
}

// take counts a line about o, unless there are too many.
func (m *minute) take(o occasion, privileged bool, now time.Time) bool {
	if m.users == nil || now.Sub(m.start) >= time.Minute {
		*m = minute{start: now, others: make(map[int]int), users: make(map[uint32]int)}
	}
	if m.users[o.uid] >= maxUserLines || !privileged && m.others[o.code] >= maxLines {
		return false
	}
	m.users[o.uid]++
	if !privileged {
		m.others[o.code]++
	}
	return true
}

// makeRoom forgets the oldest of uid where uid has too many, else the oldest of
// all where there are too many.
func (j *journal) makeRoom(uid uint32) {
	if own, n := j.oldest(func(o occasion) bool { return o.uid == uid }); n >= maxUserRemembered {
		delete(j.said, own)
	} else if len(j.said) >= maxRemembered {
		oldest, _ := j.oldest(func(occasion) bool { return true })
		delete(j.said, oldest)
	}
}

// oldest gives the one said longest ago among n that are of a kind. It looks at
// all of them, which is cheap beside the line that is to be written.
func (j *journal) oldest(kind func(occasion) bool) (first occasion, n int) {
	var since time.Time
	for o, at := range j.said {
		if kind(o) {
			if n++; n == 1 || at.Before(since) {
				first, since = o, at
			}
		}
	}
	return first, n
}
