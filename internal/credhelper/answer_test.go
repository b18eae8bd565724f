package credhelper

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestReadAnswer(t *testing.T) {
	const ok = "HTTP/1.0 200 OK\r\n"
	tests := []struct {
		name, input string
		head        bool // the answer is to HEAD
		want        string
		status      int
		wantErr     string
	}{
		{name: "whole", input: ok + "Content-Length: 2\r\n\r\n{}", want: "{}", status: 200},
		{name: "length in other letters", input: ok + "content-length:2 \r\n\r\n{}", want: "{}", status: 200},
		{name: "no words after the status", input: "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", status: 404},
		{name: "more than the length says", input: ok + "Content-Length: 2\r\n\r\n{}more", want: "{}", status: 200},
		{name: "larger than one read", input: ok + "Content-Length: 40000\r\n\r\n" + strings.Repeat("x", 40000),
			want: strings.Repeat("x", 40000), status: 200},
		{name: "HEAD", head: true, input: "HTTP/1.0 503 Service Unavailable\r\nContent-Length: 99\r\n\r\n", status: 503},
		{name: "HEAD without a length", head: true, input: ok + "Date: x\r\n\r\n", status: 200},
		{name: "nothing", input: "", wantErr: "connection closed without an answer"},
		{name: "half a head", input: ok + "Content-Le", wantErr: "it ends within its head"},
		{name: "half a body", input: ok + "Content-Length: 9\r\n\r\n{\"Sec", wantErr: "it ends after 5 of 9 bytes"},
		{name: "no body", input: ok + "Content-Length: 9\r\n\r\n", wantErr: "it ends after 0 of 9 bytes"},
		{name: "no length", input: ok + "\r\n{}", wantErr: "it does not say how long it is"},
		{name: "two lengths", input: ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", wantErr: "its length makes no sense"},
		{name: "negative length", input: ok + "Content-Length: -1\r\n\r\n", wantErr: "its length makes no sense"},
		{name: "signed length", input: ok + "Content-Length: +2\r\n\r\n{}", wantErr: "its length makes no sense"},
		{name: "length beyond all bounds", input: ok + "Content-Length: 99999999999999999999\r\n\r\n", wantErr: "its length makes no sense"},
		{name: "too long", input: ok + "Content-Length: 1048577\r\n\r\n", wantErr: "it is longer than 1048576 bytes"},
		{name: "chunked", input: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", wantErr: "it comes in another encoding than asked for"},
		{name: "endless head", input: ok + strings.Repeat("X: y\r\n", 4000), wantErr: "its head is longer than 16384 bytes"},
		{name: "another protocol", input: "220 mail.example ESMTP\r\n\r\n", wantErr: "it is not HTTP"},
		{name: "HTTP/2", input: "HTTP/2.0 200 OK\r\n\r\n", wantErr: "it is not HTTP"},
		{name: "no status", input: "HTTP/1.0 abc\r\n\r\n", wantErr: "its status is not one of HTTP"},
		{name: "interim status", input: "HTTP/1.1 100 Continue\r\n\r\n", wantErr: "its status is not one of HTTP"},
		{name: "line without a colon", input: ok + "s3cret\r\n\r\n", wantErr: "a line of its head has no colon"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"at once":         strings.NewReader(tt.input),
				"byte by byte":    iotest.OneByteReader(strings.NewReader(tt.input)),
				"end with a byte": iotest.DataErrReader(strings.NewReader(tt.input)),
			} {
				a, err := readAnswer(r, !tt.head)
				text := ""
				if err != nil {
					text = err.Error()
				}
				if a.status != tt.status || string(a.body) != tt.want || text != tt.wantErr {
					t.Errorf("%s: got %d, %.80q, %q, want %d, %.80q, %q", name, a.status, a.body, text, tt.status, tt.want, tt.wantErr)
				}
			}
		})
	}
}

func TestReadAnswerPassesOnWhyReadingFails(t *testing.T) {
	for _, have := range []string{"", "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n{"} {
		if _, err := readAnswer(io.MultiReader(strings.NewReader(have), iotest.ErrReader(errLate)), true); err != errLate {
			t.Errorf("after %q: got %v", have, err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), true)
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nno\n"), true)
	f.Add([]byte("HTTP/1.1 503\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, input []byte, withBody bool) {
		a, err := readAnswer(bytes.NewReader(input), withBody)
		b, err2 := readAnswer(iotest.OneByteReader(bytes.NewReader(input)), withBody)
		if a.status != b.status || !bytes.Equal(a.body, b.body) || (err == nil) != (err2 == nil) {
			t.Errorf("got %v, %v at once and %v, %v byte by byte", a, err, b, err2)
		}
		if err != nil {
			return
		}
		if len(a.body) > bodyLimit || !bytes.Contains(input, a.body) {
			t.Errorf("a body of %d bytes that was not in the answer", len(a.body))
		}
		if _, err := a.object(); err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("the error is more than a line: %q", err)
		}
	})
}

func TestObject(t *testing.T) {
	tests := []struct {
		name    string
		a       answer
		wantErr string
	}{
		{"login", answer{status: 200, body: []byte(`{"Secret":"s"}` + "\n")}, ""},
		{"refusal", answer{status: 403, body: []byte("not you; ask the administrator\n")}, "ecr-refreshd: not you; ask the administrator"},
		{"no token", answer{status: 503, body: []byte("no token")}, "ecr-refreshd: no token"},
		{"no words", answer{status: 503, body: nil}, "ecr-refreshd: the daemon answered with status 503 and no reason"},
		{"unexpected success", answer{status: 204, body: []byte("s3cret")}, "ecr-refreshd: the daemon answered with status 204 and no reason"},
		{"moved", answer{status: 301, body: []byte("s3cret")}, "ecr-refreshd: the daemon answered with status 301 and no reason"},
		{"not an object", answer{status: 200, body: []byte(`"s3cret"`)}, "ecr-refreshd: the daemon's answer makes no sense: it is not a JSON object"},
		{"null", answer{status: 200, body: []byte(`null`)}, "ecr-refreshd: the daemon's answer makes no sense: it is not a JSON object"},
		{"cut off where its length says", answer{status: 200, body: []byte(`{"Secret":"s3cr`)}, "ecr-refreshd: the daemon's answer makes no sense: it is not a JSON object"},
		{"empty", answer{status: 200, body: nil}, "ecr-refreshd: the daemon's answer makes no sense: it is not a JSON object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := tt.a.object()
			if tt.wantErr == "" {
				if err != nil || !bytes.Equal(body, tt.a.body) {
					t.Errorf("got %q, %v", body, err)
				}
				return
			}
			if body != nil || err == nil || err.Error() != tt.wantErr {
				t.Errorf("got %q, %v", body, err)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "no token; wait", "no token; wait"},
		{"lines and controls", "one\r\n\ttwo\x1b[31m\x00three\n", "one two [31m three"},
		{"broken UTF-8", "a\xffb", "a b"},
		{"spaces only", " \n", ""},
		{"long", strings.Repeat("ä", lineLimit), strings.Repeat("ä", lineLimit/2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := oneLine([]byte(tt.text))
			if got != tt.want || !utf8.ValidString(got) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
