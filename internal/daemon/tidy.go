package daemon

import (
	"math"
	"runtime/debug"
	"time"

	"ecr-refreshd/internal/renew"
)

// quiet is how long after the last event a round is over. Targets look again at
// what they have just written for some two seconds.
const quiet = 3 * time.Second

// tidy is an Observer that returns the memory of a round to the system when it
// is over: the next one is hours away, and the runtime would hold on to it.
type tidy struct{ timer *time.Timer }

func newTidy() tidy { return tidy{time.AfterFunc(math.MaxInt64, debug.FreeOSMemory)} }

// Observe puts it off: there is work.
func (t tidy) Observe(renew.Event) { t.timer.Reset(quiet) }

func (t tidy) stop() { t.timer.Stop() }
