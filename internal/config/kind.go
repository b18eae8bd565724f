package config

import (
	"fmt"

	"ecr-refreshd/internal/renew"
)

// Kinds are the kinds of targets that a file may have: a line each in
// internal/targets, and at least one. Messages write the first as an example.
type Kinds []Kind

// Kind is a type of target: what this package must know of it. All else of a
// kind is in its own package.
type Kind struct {
	Type    string // as users write it after type:, such as docker-config
	Default bool   // a file without targets has one of it
	// Keys are those of its block beside type and name, in the order in which
	// messages list them. A key of a block in the block is written tls.ca.
	Keys []string
	// Read reads and checks the options of one target, and reports all that is wrong
	// with them. The zero Block stands for one in which nothing is written. It
	// touches nothing. What it returns after a report is used for nothing.
	Read func(Block) Options
}

// Options are what a file says of one target. They are values that
// reflect.DeepEqual compares: a target whose options are the same after a reload
// keeps its status.
type Options interface {
	// Place names where the target writes: two targets with one place are a mistake,
	// whatever their kinds, and what a reload moves to another place is released in
	// the former one. A file's place is its path.
	Place() string
	// New makes the target. It touches no file, socket or goroutine; its error names
	// the setting that is wrong, of those that the file does not hold.
	New() (Destination, error)
}

// Destination is a target at work. What more can be done with it, it says by
// the other interfaces of package renew. For a moment after a reload, the targets of
// both configurations work on the same place.
type Destination interface {
	renew.Target
	renew.Forgetter // a target that holds nothing returns nil, one that cannot forget an error whose hint says what a person can do
	// String names the place for people. No secret may be in it.
	fmt.Stringer
}

// Block is a mapping in the file. Its methods report each mistake with its
// position, in the same words for every kind.
type Block struct {
	at    value
	keys  map[string]value
	known map[string][]string
}

// Text returns the text under key, which has the form t. ok is false after a
// report. Where the key is not written, text is "" and ok is true.
func (b Block) Text(key string, t Text) (text string, ok bool) {
	v, written := b.keys[key]
	if !written {
		return "", true
	}
	return v.text(t)
}

// Block returns the block under key; ok is false where there is none.
func (b Block) Block(key string) (inner Block, ok bool) {
	v, written := b.keys[key]
	if !written {
		return Block{}, false
	}
	keys, ok := v.mapping(b.known[key])
	return Block{at: v, keys: keys}, ok
}

// Report says what is wrong with the value of key, or with the whole block for
// the key "", and what to write instead. Texts in args are shortened and shown:
// the text of an Address may not be one of them.
func (b Block) Report(key, format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = shorten(text)
		}
	}
	at, written := b.keys[key]
	if !written {
		at = b.at
	}
	at.report(format, args...)
}
