package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// A file is in memory some five times while it is rewritten, and accounts decide how
// large theirs are. So each session and each look takes a share of the room that all
// files of this process have together: one of the largest at a time, or some small ones.
var room = semaphore.NewWeighted(maxSize)

const (
	// leastShare is that of a small file, in bytes: what its parts take besides.
	leastShare = 1 << 20
	// partsShare is how many times its size a file of many small members takes, taken
	// apart by us and by docker's loader.
	partsShare = 16
	// shareLife is how long a share is kept. A file system that does not answer must
	// not keep the files of others waiting.
	shareLife = 5 * time.Second
)

var errNoRoom = errors.New("others work on large files")

// takeShare waits for room for size bytes. It returns how many may be read, at least
// as many unless that is more than maxSize, and the function that gives the share back.
func takeShare(ctx context.Context, size int64) (bytes int64, giveBack func(), err error) {
	bytes = min(max(partsShare*size, leastShare), maxSize)
	if err := room.Acquire(ctx, bytes); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errNoRoom, err)
	}
	release := sync.OnceFunc(func() { room.Release(bytes) })
	late := time.AfterFunc(shareLife, release)
	return bytes, func() { late.Stop(); release() }, nil
}
