// Package crowd bounds the memory of large answers: many clients that read slowly share one
// text. It does not know what is in it.
package crowd

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// With thousands of hosts a text has megabytes, and its client has seconds to take it.
const (
	// Alone is how many answers may be under way, each with a text of its own.
	Alone = 4
	// Life is how old a text may be that one more answer gets.
	Life = time.Second
)

// Text answers every request with one text: made for it, or, when more than Alone answers are
// under way, made within Life before. Safe for concurrent use.
type Text struct {
	Type string                // the Content-Type
	Make func(io.Writer) error // writes the text; an error is the answer's status 500

	mu    sync.Mutex
	users int // answers under way
	at    time.Time
	text  []byte // never changed
	size  int    // of the last one, in bytes
}

func (t *Text) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	defer t.leave()
	text, err := t.enter()
	h, code := w.Header(), http.StatusOK
	h.Set("Content-Type", t.Type)
	if err != nil {
		text, code = []byte(err.Error()+"\n"), http.StatusInternalServerError
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(text) // the client may have gone
}

// enter returns the text; leave is to be called when the answer is out, whatever enter returned.
func (t *Text) enter() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users++
	if t.users > Alone && t.text != nil && time.Since(t.at) < Life {
		return t.text, nil
	}
	b := bytes.NewBuffer(make([]byte, 0, t.size+t.size/8))
	if err := t.Make(b); err != nil {
		return nil, err
	}
	t.text, t.at, t.size = b.Bytes(), time.Now(), b.Len()
	return t.text, nil
}

func (t *Text) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users--; t.users == 0 {
		t.text = nil // nobody needs the memory
	}
}
