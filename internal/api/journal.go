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
	// maxRemembered bounds the refusals that are remembered. Beyond it new ones go
	// to the log at debug level only: whoever asks for everything as everybody
	// must not fill the disk.
	maxRemembered = 8192
)

// journal logs that somebody did not get a login: a client such as docker hides
// the answer from the person who waits for it. Safe for concurrent use.
type journal struct {
	logger    *zap.Logger
	directory *access.Directory

	mu    sync.Mutex
	said  map[occasion]time.Time
	swept time.Time
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
	if level == zapcore.WarnLevel && !j.news(occasion{who.UID, host, code, p.Reason}, time.Now()) {
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

// news reports whether o has not been said lately, and remembers that it is now.
func (j *journal) news(o occasion, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if last, ok := j.said[o]; ok && now.Sub(last) < remindEvery {
		return false
	}
	if len(j.said) >= maxRemembered && !j.sweep(now) {
		return false
	}
	j.said[o] = now
	return true
}

// sweep forgets what is old enough to be said again, and reports whether that
// made room. It looks once a minute at most: it is asked under attack.
func (j *journal) sweep(now time.Time) bool {
	if now.Sub(j.swept) < time.Minute {
		return false
	}
	j.swept = now
	for o, last := range j.said {
		if now.Sub(last) >= remindEvery {
			delete(j.said, o)
		}
	}
	return len(j.said) < maxRemembered
}
