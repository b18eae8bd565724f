package main

import (
	"errors"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
	tests := []struct {
		name, text string
		want       head
		partial    bool
		wantErr    bool
	}{
		{name: "whole", text: good + "body", want: head{size: len(good), status: 200, body: 12}},
		{name: "refusal", text: "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", want: head{size: 45, status: 403}},
		{name: "nothing yet", partial: true, wantErr: true},
		{name: "no end yet", text: good[:len(good)-1], partial: true, wantErr: true},
		{name: "no end ever", text: strings.Repeat("x", answerLimit), wantErr: true},
		{name: "no length", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", wantErr: true},
		{name: "negative length", text: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", wantErr: true},
		{name: "too long a body", text: "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", wantErr: true},
		{name: "length in the body only", text: "HTTP/1.1 200 OK\r\nA: b\r\n\r\nx\r\nContent-Length: 1\r\n", wantErr: true},
		{name: "another protocol", text: "SSH-2.0-x\r\n\r\n", wantErr: true},
		{name: "no status", text: "HTTP/1.1 ok!\r\nContent-Length: 1\r\n\r\n", wantErr: true},
		{name: "next to nothing", text: "\r\n\r\n", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseHead([]byte(tt.text))
			if got != tt.want || (err != nil) != tt.wantErr || errors.Is(err, errPartial) != tt.partial {
				t.Errorf("got %+v, %v; want %+v, an error: %t, partial: %t", got, err, tt.want, tt.wantErr, tt.partial)
			}
		})
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 20\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := parseHead(text)
		if err == nil && (h.size > len(text) || h.size < 4 || h.body < 0 || h.body > answerLimit || h.status > 999) {
			t.Errorf("%q gives %+v", text, h)
		}
	})
}
