package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

// checkSyntax returns a *problem unless data is one JSON value. It says where JSON stops
// but not what stands there, which could be part of a secret, unless an editor does not show it.
func checkSyntax(data []byte) error {
	if json.Valid(data) {
		return nil
	}
	if start := clientview.Encoding(data); start != "" {
		return &problem{"it starts with " + start + ", which is not JSON",
			"save {path} as UTF-8 without a byte order mark, with an editor or iconv"}
	}
	at := len(data)
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) && syntax.Offset > 0 {
		at = int(syntax.Offset) - 1 // Offset counts the offending byte too
	}
	before := data[:min(at, len(data))]
	line, column := 1+bytes.Count(before, []byte{'\n'}), len(before)-bytes.LastIndexByte(before, '\n')
	return &problem{fmt.Sprintf("not valid JSON at line %d, column %d", line, column), correctIt}
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
	if len(o) == 0 {
		return []byte("{}")
	}
	line := "\n" + strings.Repeat("\t", depth)
	size := len(line) + 2
	for _, m := range o {
		size += len(m.rawKey) + len(m.value) + len(line) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(append(append(out, line...), '\t'), m.rawKey...), ": "...), m.value...)
	}
	return append(append(out, line...), '}')
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
