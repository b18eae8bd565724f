package credhelper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Bounds of what the daemon sends, in bytes. Its heads are some 200 bytes and
// its logins some 3,000, so that one read takes both.
const (
	headLimit = 16 << 10
	bodyLimit = 1 << 20
	lineLimit = 1000
)

// answer is what came of a request. A HEAD leaves the body empty.
type answer struct {
	status  int
	body    []byte
	expires time.Time // of the login in the body; zero where none is
}

// errNothing says that the connection ended before the first byte of an answer.
var errNothing = errors.New("connection closed without an answer")

// readAnswer takes one answer from r and not a byte more than it must. It trusts
// nothing: the answer has a length, in bounds, and is there as a whole, or it is
// an error, which repeats nothing of what was read: that may be a secret.
func readAnswer(r io.Reader, withBody bool) (answer, error) {
	buf := make([]byte, headLimit)
	n, end := 0, -1
	for end < 0 {
		if n == len(buf) {
			return answer{}, fmt.Errorf("its head is longer than %d bytes", headLimit)
		}
		m, err := r.Read(buf[n:])
		n += m
		end = bytes.Index(buf[:n], []byte("\r\n\r\n"))
		switch {
		case err == nil || end >= 0:
		case n == 0 && err == io.EOF:
			return answer{}, errNothing
		case err == io.EOF:
			return answer{}, errors.New("it ends within its head")
		default:
			return answer{}, err
		}
	}
	a, length, err := parseHead(string(buf[:end]))
	if err != nil || !withBody {
		return a, err
	}
	if length < 0 {
		return answer{}, errors.New("it does not say how long it is")
	}
	a.body = make([]byte, length)
	have := copy(a.body, buf[end+len("\r\n\r\n"):n])
	if m, err := io.ReadFull(r, a.body[have:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return answer{}, fmt.Errorf("it ends after %d of %d bytes", have+m, length)
	} else if err != nil {
		return answer{}, err
	}
	return a, nil
}

// parseHead takes the head of an answer apart, without the empty line that ends
// it. The length is -1 where there is none.
func parseHead(head string) (a answer, length int, err error) {
	line, rest, _ := strings.Cut(head, "\r\n")
	version, line, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(line, " ")
	if len(version) != len("HTTP/1.1") || !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 {
		return answer{}, 0, errors.New("it is not HTTP")
	}
	if a.status, err = strconv.Atoi(code); err != nil || a.status < 200 || a.status > 599 {
		return answer{}, 0, errors.New("its status is not one of HTTP")
	}
	length = -1
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		switch {
		case !ok:
			return answer{}, 0, errors.New("a line of its head has no colon")
		case strings.EqualFold(name, "Transfer-Encoding"):
			return answer{}, 0, errors.New("it comes in another encoding than asked for")
		case strings.EqualFold(name, "Content-Length"):
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
			if err != nil || length >= 0 {
				return answer{}, 0, errors.New("its length makes no sense")
			}
			if n > bodyLimit {
				return answer{}, 0, fmt.Errorf("it is longer than %d bytes", bodyLimit)
			}
			length = int(n)
		case strings.EqualFold(name, "X-Expires-At"):
			if a.expires, err = time.Parse(time.RFC3339, strings.TrimSpace(value)); err != nil {
				return answer{}, 0, errors.New("its X-Expires-At is not a time")
			}
		}
	}
	return a, length, nil
}

// object gives the body of a good answer, which the protocol wants to be a JSON
// object, or the refusal.
func (a answer) object() ([]byte, error) {
	if a.status != 200 {
		return nil, a.refusal()
	}
	if !bytes.HasPrefix(a.body, []byte("{")) || !json.Valid(a.body) {
		return nil, errors.New("ecr-refreshd: the daemon's answer makes no sense: it is not a JSON object")
	}
	return a.body, nil
}

// refusal gives the daemon's own words for an answer that is not good.
func (a answer) refusal() error {
	if text := oneLine(a.body); text != "" && a.status >= 400 {
		return errors.New("ecr-refreshd: " + text)
	}
	return fmt.Errorf("ecr-refreshd: the daemon answered with status %d and no reason", a.status)
}

// oneLine makes text fit for a terminal and for clients that take the first line
// for the error: printable, on one line and not too long.
func oneLine(text []byte) string {
	clean := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) && c != unicode.ReplacementChar {
			return c
		}
		return ' '
	}, string(text[:min(len(text), lineLimit)]))
	return strings.Join(strings.Fields(clean), " ")
}
