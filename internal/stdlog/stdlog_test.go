package stdlog

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnAnswerThatNobodyAskedForIsNotQuoted(t *testing.T) {
	var leaked leak
	log.SetOutput(&leaked)
	told := make(chan int, 1)
	Divert(func(lines int) { told <- lines })
	defer log.SetOutput(io.Discard)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nsecret")
		}
	}()
	answer, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if lines := <-told; lines != 1 || leaked {
		t.Errorf("%d lines came, leaked: %v", lines, leaked)
	}
}

// leak notes that anything was written.
type leak bool

func (l *leak) Write(p []byte) (int, error) { *l = true; return len(p), nil }

func TestLinesAreCountedAndToldOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []int
		s := &sink{tell: func(lines int) { told = append(told, lines) }}
		for range 3 {
			_, _ = s.Write([]byte("secret"))
		}
		time.Sleep(time.Hour)
		_, _ = s.Write([]byte("secret"))
		if !slices.Equal(told, []int{1, 3}) {
			t.Errorf("told of %v lines", told)
		}
	})
}
