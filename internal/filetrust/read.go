package filetrust

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// patience is how long a file may take. A healthy disk needs milliseconds; a
// file system whose server is gone takes minutes, or never answers.
const patience = 5 * time.Second

var (
	// ErrTooLarge is in the error of Read for a file over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrHangs is in the error of Read for a file whose file system does not answer.
	ErrHangs = errors.New("the file system does not answer")
)

// Read reads the regular file at path, unless others could change it. Setting is
// the name of what led to it, such as "AWS_CA_BUNDLE" or "targets[0].tls.ca", and
// starts the error. Limit is in bytes. It returns within seconds even where the file
// system hangs. The error wraps an *Error, ErrNotRegular, ErrTooLarge, ErrHangs or one
// of the file system. Safe for concurrent use.
func (r Rule) Read(setting, path string, limit int64) ([]byte, error) {
	return read(setting, path, limit, r.Open)
}

// Read is Rule.Read for a file that anybody may be able to change.
func Read(setting, path string, limit int64) ([]byte, error) {
	return read(setting, path, limit, Open)
}

// hanging are the paths whose read has outlasted patience and not returned. Each
// holds a goroutine and a thread, which nothing can take back, so there is at most
// one for each path.
var hanging sync.Map

func read(setting, path string, limit int64, open func(string) (*os.File, error)) ([]byte, error) {
	if _, still := hanging.Load(path); still {
		return nil, fmt.Errorf("%s: read %q: %w", setting, path, ErrHangs)
	}
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	finished := make(chan struct{})
	go func() {
		data, err := readAll(path, limit, open)
		done <- result{data, err}
		close(finished)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case got := <-done:
		if got.err != nil {
			return nil, fmt.Errorf("%s: %w", setting, got.err)
		}
		return got.data, nil
	case <-timer.C:
		hanging.Store(path, nil)
		go func() { <-finished; hanging.Delete(path) }()
		return nil, fmt.Errorf("%s: read %q: %w within %s", setting, path, ErrHangs, patience)
	}
}

func readAll(path string, limit int64, open func(string) (*os.File, error)) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%q is %w: it has more than %d bytes", path, ErrTooLarge, limit)
	}
	return data, err
}
