package crowd

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a client that does not read before read is closed.
type slow struct {
	*httptest.ResponseRecorder
	texts chan<- []byte
	read  <-chan struct{}
}

func (s slow) Write(p []byte) (int, error) {
	s.texts <- p
	<-s.read
	return len(p), nil
}

func TestACrowdOfSlowReadersSharesOneText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		text := &Text{Type: "text/plain", Make: func(w io.Writer) error { made++; _, err := fmt.Fprint(w, made); return err }}
		texts, read := make(chan []byte, 1000), make(chan struct{})
		ask := func() []byte {
			go text.ServeHTTP(slow{httptest.NewRecorder(), texts, read}, nil)
			return <-texts
		}
		for i := range Alone {
			if got := string(ask()); got != fmt.Sprint(i+1) {
				t.Errorf("answer %d has text %s", i+1, got)
			}
		}
		shared := ask()
		for range 100 {
			if got := ask(); &got[0] != &shared[0] {
				t.Fatal("each of a crowd has a text of its own")
			}
		}
		time.Sleep(Life)
		if got := string(ask()); got != fmt.Sprint(Alone+1) {
			t.Errorf("a crowd keeps an old one: %s", got)
		}
		close(read)
		synctest.Wait()
		if text.text != nil || text.users != 0 {
			t.Errorf("a text is kept that nobody reads: %q, %d users", text.text, text.users)
		}
	})
}

func TestATextThatCannotBeMadeLeavesNothingBehind(t *testing.T) {
	var fail func() error
	text := &Text{Type: "text/html", Make: func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return fail() }}
	get := func() *httptest.ResponseRecorder {
		defer func() { _ = recover() }()
		w := httptest.NewRecorder()
		text.ServeHTTP(w, nil)
		return w
	}
	for range Alone + 1 {
		fail = func() error { panic("a defect") }
		get()
		fail = func() error { return errors.New("cannot") }
		if w := get(); w.Code != http.StatusInternalServerError || w.Body.String() != "cannot\n" || w.Header().Get("Content-Type") == text.Type {
			t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
		}
	}
	if text.users != 0 {
		t.Errorf("%d users are left", text.users)
	}
	fail = func() error { return nil }
	if w := get(); w.Code != http.StatusOK || w.Body.String() != "half" || w.Header().Get("Content-Length") != "4" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
}
