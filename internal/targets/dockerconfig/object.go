package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"ecr-refreshd/internal/clientview"
)

// member is one key of a JSON object and its value, both exactly as they stand
// in the file.
type member struct {
	rawKey json.RawMessage // with its quotes and escapes
	key    string
	value  json.RawMessage
}

// object is a JSON object with its keys in their order, doubles included.
type object []member

var errNotObject = errors.New("not a JSON object")

// check returns a *problem unless data is one JSON value that could be read again.
func check(data []byte) error {
	if !json.Valid(data) {
		why, line := clientview.NotJSON(data)
		if line == 0 {
			return &problem{why, "save {path} as UTF-8 without a byte order mark, with an editor or iconv"}
		}
		return &problem{why, correctIt}
	}
	return withinBounds(len(data), bytes.Count(data, []byte{':'})) // as cheap as it gets, and never too few
}

// withinBounds returns a *problem for a file that is too large or has too many members, of each of
// which there is a colon.
func withinBounds(size, colons int) error {
	switch {
	case size > maxSize:
		return tooLarge(maxSize)
	case colons > maxMembers:
		return errTooMany
	}
	return nil
}

// parseObject takes a valid JSON value apart, without copying it. The error is
// errNotObject.
func parseObject(raw []byte) (object, error) {
	at := skipSpace(raw, 0)
	if at == len(raw) || raw[at] != '{' {
		return nil, errNotObject
	}
	o := object{}
	for at = skipSpace(raw, at+1); raw[at] != '}'; at = skipSpace(raw, at) {
		if raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
		end := skipString(raw, at)
		m := member{rawKey: raw[at:end:end]}
		m.key = unquoted(m.rawKey)
		at = skipSpace(raw, skipSpace(raw, end)+1) // past the colon
		end = skipValue(raw, at)
		m.value = raw[at:end:end]
		o = append(o, m)
		at = end
	}
	return o, nil
}

// render is the inverse of parseObject for an object that stands within depth others: a
// line for each member, indented with tabs, as docker writes it. The values keep the
// form in which they stand in the file.
func (o object) render(depth int) json.RawMessage {
	var out bytes.Buffer
	o.write(&out, depth, nil)
	return out.Bytes()
}

// writer is a bytes.Buffer or a bufio.Writer, which keep an error to themselves.
type writer interface {
	io.Writer
	io.StringWriter
}

// write writes what render gives. inner are the objects that stand for the values at their
// index.
func (o object) write(out writer, depth int, inner map[int]object) {
	if len(o) == 0 {
		_, _ = out.WriteString("{}")
		return
	}
	line := "\n" + strings.Repeat("\t", depth)
	between := "{"
	for i, m := range o {
		_, _ = out.WriteString(between + line + "\t")
		_, _ = out.Write(m.rawKey)
		_, _ = out.WriteString(": ")
		if in, ok := inner[i]; ok {
			in.write(out, depth+1, nil)
		} else {
			_, _ = out.Write(m.value)
		}
		between = ","
	}
	_, _ = out.WriteString(line + "}")
}

// quoted is s as a JSON string.
func quoted(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return raw
}

// index gives the position of every key; of doubles that of the last, the one
// that counts to most readers. It keeps the work on a file that somebody has
// stuffed with keys in proportion to its size.
func (o object) index() map[string]int {
	at := make(map[string]int, len(o))
	for i, m := range o {
		at[m.key] = i
	}
	return at
}

// value gives the last value of the key, nil when there is none.
func (o object) value(key string) json.RawMessage {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].key == key {
			return o[i].value
		}
	}
	return nil
}
