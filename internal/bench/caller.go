package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// callerWithin bounds everything that one caller does.
const callerWithin = time.Minute

// caller asks the local API over one keep-alive connection. It is for one
// goroutine.
type caller struct {
	conn   net.Conn
	buffer []byte
}

func newCaller(socket string) (*caller, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(callerWithin)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &caller{conn: conn, buffer: make([]byte, answerLimit)}, nil
}

func (c *caller) close() { _ = c.conn.Close() }

// request is a look-up of a host's credentials. Extra are further header lines.
func request(host string) []byte {
	return []byte("GET /v1/credentials/" + host + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

// call sends a request and gives the body of the answer, valid until the next
// call. Every status but 200 is an error.
func (c *caller) call(request []byte) ([]byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	got := 0
	for {
		n, err := c.conn.Read(c.buffer[got:])
		if err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
		got += n
		h, err := parseHead(c.buffer[:got])
		switch {
		case errors.Is(err, errPartial) || err == nil && got < h.size+h.body && h.size+h.body <= len(c.buffer):
			continue
		case err != nil:
			return nil, fmt.Errorf("read an answer: %w", err)
		case got != h.size+h.body:
			return nil, fmt.Errorf("read an answer: %d bytes, want %d", got, h.size+h.body)
		case h.status != http.StatusOK:
			// What comes with a refusal is no secret, and says why.
			return nil, fmt.Errorf("status %d: %s", h.status, c.buffer[h.size:got])
		}
		return c.buffer[h.size:got], nil
	}
}
