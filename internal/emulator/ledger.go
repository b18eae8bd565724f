package emulator

import (
	"sync"
	"time"
)

// keepEnded is how long an ended token or session is still told from one that
// never was. After that it is forgotten, so that a long run does not grow.
const keepEnded = 24 * time.Hour

// ledger keeps things that end. It may be used concurrently.
type ledger[K comparable, V interface{ endsAt() time.Time }] struct {
	mu      sync.RWMutex
	entries map[K]V
	sweepAt int // the number of entries at which to look for old ones
}

func newLedger[K comparable, V interface{ endsAt() time.Time }]() *ledger[K, V] {
	return &ledger[K, V]{entries: map[K]V{}, sweepAt: 1024}
}

func (l *ledger[K, V]) get(k K) (V, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v, ok := l.entries[k]
	return v, ok
}

// put sweeps each time the ledger has doubled, which costs a constant per put.
func (l *ledger[K, V]) put(k K, v V, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[k] = v
	if len(l.entries) < l.sweepAt {
		return
	}
	for k, v := range l.entries {
		if end := v.endsAt(); !end.IsZero() && now.Sub(end) > keepEnded {
			delete(l.entries, k)
		}
	}
	l.sweepAt = max(1024, 2*len(l.entries))
}
