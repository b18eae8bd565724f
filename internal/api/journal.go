package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"ecr-refreshd/internal/peerauth"
)

const (
	// window is how long refusals are remembered: the same one is logged once in it.
	window = time.Hour
	// maxUserLines and maxLines bound the lines of a window, of one user and of all
	// but the privileged ones: whoever asks for everything as everybody must fill
	// neither the disk nor the memory. What is beyond goes to the log at debug level.
	maxUserLines = 64
	maxLines     = 2048
)

// journal logs that somebody did not get a login: a client such as docker hides
// the answer from the person who waits for it. Safe for concurrent use.
type journal struct {
	logger    *zap.Logger
	directory *peerauth.Directory

	mu     sync.Mutex
	start  time.Time // of the window
	said   map[complaint]bool
	users  map[uint32]int // lines by uid
	others int            // lines of all but the privileged users
}

// complaint is what makes two refusals the same to a reader.
type complaint struct {
	uid    uint32
	host   string
	code   int
	reason string
}

func newJournal(logger *zap.Logger, d *peerauth.Directory) *journal {
	return &journal{logger: logger, directory: d}
}

// refused logs the answer code with p to a request for the login of host.
func (j *journal) refused(ctx context.Context, code int, host string, who peerauth.Peer, p problem) {
	if code == http.StatusNotFound {
		if entry := j.logger.Check(zapcore.DebugLevel, "credential of a foreign host asked for"); entry != nil {
			entry.Write(j.about(ctx, host, who, p)...)
		}
		return
	}
	level, message := zapcore.WarnLevel, "credential refused"
	if code == http.StatusServiceUnavailable {
		message = "credential not available"
	}
	if !j.news(complaint{who.UID, host, code, p.Reason}, j.directory.Privileged(who), time.Now()) {
		level = zapcore.DebugLevel
	}
	if entry := j.logger.Check(level, message); entry != nil {
		entry.Write(j.about(ctx, host, who, p)...)
	}
}

func (j *journal) about(ctx context.Context, host string, who peerauth.Peer, p problem) []zap.Field {
	p = p.printable()
	who = j.directory.Named(ctx, who)
	return []zap.Field{zap.Strings("host", []string{host}), zap.Uint32("uid", who.UID), zap.String("user", who.Name), zap.Int("pid", who.PID),
		zap.String("reason", p.Reason), zap.String("hint", p.Hint), zap.String("error", p.Message)}
}

// news reports whether c, of a privileged user or another, has not been said in
// this window and may be, and remembers that it is.
func (j *journal) news(c complaint, privileged bool, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now.Sub(j.start) >= window {
		j.start, j.said, j.users, j.others = now, make(map[complaint]bool), make(map[uint32]int), 0
	}
	if j.said[c] || j.users[c.uid] >= maxUserLines || !privileged && j.others >= maxLines {
		return false
	}
	j.said[c] = true
	j.users[c.uid]++
	if !privileged {
		j.others++
	}
	return true
}
