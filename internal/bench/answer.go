package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// head is what the head of an HTTP/1.1 answer says, as far as a client on a
// keep-alive connection has to know it.
type head struct {
	size   int // of the head itself, in bytes, its empty line included
	status int
	body   int // bytes that follow
}

// answerLimit is more than any answer of the local API to a look-up, in bytes.
const answerLimit = 64 << 10

var (
	errPartial = errors.New("the head goes on")
	headEnd    = []byte("\r\n\r\n")
	lengthKey  = []byte("\r\nContent-Length: ")
)

// parseHead reads the head at the start of buffer. It is errPartial when more of
// it must come. The load generator must take less than what it measures, so this
// reads the one form that Go's server writes, and refuses all others.
func parseHead(buffer []byte) (head, error) {
	end := bytes.Index(buffer, headEnd)
	switch {
	case end < 0 && len(buffer) >= answerLimit:
		return head{}, fmt.Errorf("no end of the head in %d bytes", len(buffer))
	case end < 0:
		return head{}, errPartial
	}
	const version, digits = "HTTP/1.1 ", 3
	text := buffer[:end+2]
	if len(text) < len(version)+digits || string(text[:len(version)]) != version {
		return head{}, fmt.Errorf("not an answer of HTTP/1.1: %.20q", text)
	}
	status, err := strconv.ParseUint(string(text[len(version):len(version)+digits]), 10, 16)
	if err != nil {
		return head{}, fmt.Errorf("status: %w", err)
	}
	_, rest, found := bytes.Cut(text, lengthKey)
	value, _, _ := bytes.Cut(rest, headEnd[:2])
	length, err := strconv.ParseUint(string(value), 10, 31)
	if !found || err != nil || length > answerLimit {
		return head{}, fmt.Errorf("content length: %.20q", value)
	}
	return head{size: end + len(headEnd), status: int(status), body: int(length)}, nil
}
