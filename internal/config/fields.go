package config

import (
	"slices"
	"time"
)

// Field is a key of a mapping and all that there is to know of it: its name, what it
// says, how its value is written, and the variable for it, whose value before is the
// default. Decoding, the messages about keys and the JSON schema come from it.
type Field struct {
	key, doc string
	shape    shape
	read     func(value) (ok bool) // ok: nothing was reported
}

// shape is what the JSON schema says of a value.
type shape struct {
	form   form
	text   Text    // of a text, and of each item of a list of texts
	fields []Field // of a mapping, and of each mapping of a list
	kinds  Kinds   // of a list of targets, whose mappings have the fields of one of them
	most   int     // of the items of a list; 0: as many as there are
	least  int     // of the items of a list
	preset any     // the default, where it is a value that the file could hold
}

type form int

const (
	aText form = iota
	aBoolean
	aMapping
	aList
	oneOrList // a text, or a list of at least one
)

// String is a text of the form t.
func String(key, doc string, to *string, t Text) Field {
	return Field{key, doc, shape{text: t, preset: *to}, func(v value) (ok bool) {
		*to, ok = v.text(t)
		return ok
	}}
}

// Bool is true or false.
func Bool(key, doc string, to *bool) Field {
	return Field{key, doc, shape{form: aBoolean, preset: *to}, func(v value) (ok bool) {
		*to, ok = v.boolean()
		return ok
	}}
}

// Group is a mapping in the mapping. check, which may be nil, reports what is wrong with several
// of its keys together.
func Group(key, doc string, fields []Field, check func(*Block)) Field {
	return Field{key, doc, shape{form: aMapping, fields: fields}, func(v value) bool {
		b := Block{at: v}
		b.Read(fields...)
		if check != nil {
			check(&b)
		}
		return b.Good()
	}}
}

// oneOrMore is one text, a list of them, or "" for none.
func oneOrMore(key, doc string, to *[]string, t Text, example string) Field {
	return Field{key, doc, shape{form: oneOrList, text: t}, func(v value) bool {
		if !v.isList() {
			text, ok := v.text(t.OrEmpty())
			*to = nil
			if text != "" {
				*to = []string{text}
			}
			return ok
		}
		items, ok := v.texts(t, example)
		*to = textsOf(items)
		return ok
	}}
}

// names is a list in which the order and repetitions have no meaning. An empty
// one stands for the default, unlike most.
func names(key, doc string, to *[]string, t Text, example string) Field {
	return Field{key, doc, shape{form: aList, text: t}, func(v value) bool {
		items, ok := v.items(t, example)
		*to = textsOf(items)
		slices.Sort(*to)
		*to = slices.Compact(*to)
		return ok
	}}
}

// List is a list of texts, in the order of the file. It may be empty.
func List(key, doc string, to *[]string, t Text, example string) Field {
	return Field{key, doc, shape{form: aList, text: t}, func(v value) bool {
		items, ok := v.items(t, example)
		*to = textsOf(items)
		return ok
	}}
}

// Duration is a Go duration between least and most, both included.
func Duration(key, doc string, to *time.Duration, least, most time.Duration) Field {
	t := durationText(to, least, most)
	return Field{key, doc, shape{text: t, preset: brief(*to)}, t.good}
}

// raw leaves a value to what reads the mapping.
func raw(key, doc string, to *value, s shape) Field {
	return Field{key, doc, s, func(v value) bool {
		*to = v
		return true
	}}
}

// written reports whether the value is in the file.
func (v value) written() bool { return v.node != nil }

// Block is a mapping in the file. Its methods report each mistake with its
// position, in the same words for every kind.
type Block struct {
	at     value
	fields []Field
	keys   map[string]value
	bad    []string // keys of which something was reported; "" for the whole
}

// Read reads the block into the variables of its fields, which are all that it may have, and reports what
// is wrong with each of them. A key that is not written leaves its variable alone. It is to be called
// once, and whatever the block holds.
func (b *Block) Read(fields ...Field) {
	b.fields = append(b.fields, fields...)
	if !b.at.written() {
		return
	}
	known := make([]string, len(b.fields))
	for i, f := range b.fields {
		known[i] = f.key
	}
	var ok bool
	if b.keys, ok = b.at.mapping(known); !ok {
		b.bad = []string{""}
	}
	for _, f := range b.fields {
		if v, written := b.keys[f.key]; written && !f.read(v) {
			b.bad = append(b.bad, f.key)
		}
	}
}

// Good reports whether nothing was reported of the values of these keys, or of any
// for none.
func (b *Block) Good(keys ...string) bool {
	return len(b.bad) == 0 || len(keys) > 0 && !slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(b.bad, k) })
}

// Report says what is wrong with the value of key, or with the whole block for
// the key "", and what to write instead. Texts in args are shortened and shown:
// the text of an Address may not be one of them.
func (b *Block) Report(key, format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = shorten(text)
		}
	}
	at, written := b.keys[key]
	if !written {
		at = b.at
	}
	b.bad = append(b.bad, key)
	if at.written() {
		at.report(format, args...)
	}
}

func textsOf(items []item) []string {
	var texts []string
	for _, i := range items {
		texts = append(texts, i.text)
	}
	return texts
}
