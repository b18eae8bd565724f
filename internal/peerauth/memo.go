package peerauth

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"ecr-refreshd/internal/osuser"
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

// memo remembers the answers to slow questions, which it asks one at a time. An
// answer older than answerLife is asked for again by the next who wants it; when
// that fails, the old one stays. Safe for concurrent use.
type memo[K comparable, V any] struct {
	// ask finds out; its error wraps osuser.ErrUnknown when it is sure that there
	// is no such thing. With a context that has ended it asks the files alone.
	ask func(context.Context, K) (V, error)
	// hasty says that nobody waits for another's question: it is "unknown" then.
	hasty bool
	turn  chan struct{} // holds one element while a question is under way

	mu      sync.Mutex
	answers map[K]answer[V]
	hung    time.Time // of the last question that nobody answered in time
}

type answer[V any] struct {
	value V
	known bool
	asked time.Time // when the last question ended; zero before the first
}

func newMemo[K comparable, V any](ask func(context.Context, K) (V, error)) *memo[K, V] {
	return &memo[K, V]{ask: ask, turn: make(chan struct{}, 1), answers: make(map[K]answer[V])}
}

// get returns the value, and whether there is one. It waits only where there is no
// older answer, or for its own question.
func (m *memo[K, V]) get(ctx context.Context, key K) (V, bool) {
	a, fresh, _ := m.look(key)
	if fresh {
		return a.value, a.known
	}
	select {
	case m.turn <- struct{}{}:
	default:
		if m.hasty || !a.asked.IsZero() {
			return a.value, a.known
		}
		select {
		case m.turn <- struct{}{}:
		case <-ctx.Done():
			return a.value, a.known
		}
	}
	defer func() { <-m.turn }()
	a, fresh, hung := m.look(key)
	if !fresh {
		a = m.find(ctx, key, a, hung)
	}
	return a.value, a.known
}

// look returns what is known of key, whether it is to be believed, as it is where
// there is no room for more, and whether no directory service is to be asked.
func (m *memo[K, V]) look(key K) (a answer[V], fresh, hung bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	recent := func(at time.Time) bool { return !at.IsZero() && time.Since(at) < answerLife }
	a, known := m.answers[key]
	if !known && len(m.answers) >= maxAnswers {
		maps.DeleteFunc(m.answers, func(_ K, a answer[V]) bool { return !recent(a.asked) })
	}
	return a, recent(a.asked) || !known && len(m.answers) >= maxAnswers, recent(m.hung)
}

// find asks and remembers the answer, or a, the older one. It asks whether or not
// the one who wants to know goes away meanwhile, as others may wait for it. With
// filesOnly no directory service is asked.
func (m *memo[K, V]) find(ctx context.Context, key K, a answer[V], filesOnly bool) answer[V] {
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
	case errors.Is(err, osuser.ErrUnknown):
		a = answer[V]{}
	case ctx.Err() != nil && !filesOnly:
		m.hung = time.Now()
	}
	a.asked = time.Now()
	m.answers[key] = a
	return a
}
