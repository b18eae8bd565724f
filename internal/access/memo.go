package access

import (
	"context"
	"errors"
	"sync"
	"time"

	"ecr-refreshd/internal/account"
)

const (
	// answerLife is how long a name's id is believed before it is asked for again.
	answerLife = 10 * time.Second
	// patience bounds one question. After one that took longer a directory service
	// is not asked again for answerLife, so one that hangs costs one request this
	// long in each such time, and the others nothing. The files still answer.
	patience = 2 * time.Second
	// maxAnswers bounds the memory: whoever connects adds a name to it.
	maxAnswers = 4096
)

// memo remembers the answers to slow questions. An answer older than answerLife
// is asked for again by the next who wants it; when that fails, the old one
// stays. Safe for concurrent use.
type memo[K comparable, V any] struct {
	// ask finds out; its error wraps account.ErrUnknown when it is sure that there
	// is no such thing. With a context that has ended it asks the files alone.
	ask func(context.Context, K) (V, error)
	// most is how many questions may be under way at once; 0 means any number. Who
	// would ask one more gets what is known at once.
	most int

	mu      sync.Mutex
	answers map[K]*answer[V]
	asking  int       // questions under way
	hung    time.Time // of the last question that nobody answered in time
}

type answer[V any] struct {
	value  V
	known  bool
	asked  time.Time     // when the last question ended; zero before the first
	flight chan struct{} // closed when the question under way ends; nil when there is none
}

func newMemo[K comparable, V any](ask func(context.Context, K) (V, error)) *memo[K, V] {
	return &memo[K, V]{ask: ask, answers: make(map[K]*answer[V])}
}

// get gives the value, and whether there is one. It waits only for a question
// under way to which there is no older answer, or for its own.
func (m *memo[K, V]) get(ctx context.Context, key K) (V, bool) {
	now := time.Now()
	m.mu.Lock()
	a := m.answers[key]
	if a == nil {
		a = new(answer[V])
	}
	flight, first := a.flight, a.asked.IsZero()
	fresh := !first && now.Sub(a.asked) < answerLife
	full := m.most > 0 && m.asking >= m.most || first && flight == nil && !m.room(now)
	switch {
	case fresh, flight != nil && !first, flight == nil && full:
		defer m.mu.Unlock()
		return a.value, a.known
	case flight != nil:
		m.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
		}
	default:
		m.answers[key] = a
		a.flight = make(chan struct{})
		m.asking++
		hung := !m.hung.IsZero() && now.Sub(m.hung) < answerLife
		m.mu.Unlock()
		m.find(ctx, key, a, hung)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return a.value, a.known
}

// find asks, whether or not the one who wants to know goes away meanwhile: the
// others wait for the answer too. With filesOnly no directory service is asked.
func (m *memo[K, V]) find(ctx context.Context, key K, a *answer[V], filesOnly bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if filesOnly {
		cancel()
	}
	value, err := m.ask(ctx, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		a.value, a.known = value, true
	case errors.Is(err, account.ErrUnknown):
		var none V
		a.value, a.known = none, false
	case ctx.Err() != nil && !filesOnly:
		m.hung = time.Now()
	}
	a.asked = time.Now()
	close(a.flight)
	a.flight = nil
	m.asking--
}

// room forgets what nobody has asked for lately when there is too much, and
// reports whether one more may be remembered.
func (m *memo[K, V]) room(now time.Time) bool {
	if len(m.answers) < maxAnswers {
		return true
	}
	for key, a := range m.answers {
		if a.flight == nil && now.Sub(a.asked) >= answerLife {
			delete(m.answers, key)
		}
	}
	return len(m.answers) < maxAnswers
}
