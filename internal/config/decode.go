package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// decoder collects the problems of one file. Decoding goes on after each, so
// that all are found; what is decoded is of use only when there are none.
type decoder struct {
	file     string
	problems Problems
}

// value is a node of the file and the way to it.
type value struct {
	d      *decoder
	node   *yaml.Node
	path   string
	hidden bool // the text may be a secret: messages do not repeat it
}

// report adds a problem at the value.
func (v value) report(format string, args ...any) {
	v.d.problems = append(v.d.problems, Problem{
		File: v.d.file, Line: v.node.Line, Column: v.node.Column, Path: v.path, Text: fmt.Sprintf(format, args...),
	})
}

// hide keeps the value and all in it out of messages.
func (v value) hide() value {
	v.hidden = true
	return v
}

// quote repeats a text in a message, shortened where it is long.
func (v value) quote(text string) string {
	if v.hidden {
		return "the value"
	}
	return fmt.Sprintf("%q", shorten(text))
}

// bare repeats a text without quotes, unless it would not stay in the line.
func bare(text string) string {
	text = shorten(text)
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

func shorten(text string) string {
	const most = 100
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// plain refuses what this configuration leaves out of YAML. Without aliases
// no small file can become a large configuration.
func (v value) plain() bool {
	switch tag := v.node.ShortTag(); {
	case v.node.Kind == yaml.AliasNode:
		v.report("is the alias *%s; write the value itself: anchors and aliases are not supported", bare(v.node.Value))
	case v.node.Anchor != "":
		v.report("has the anchor &%s; remove it: anchors and aliases are not supported", bare(v.node.Anchor))
	case !strings.HasPrefix(tag, "!!"), tag == "!!binary", tag == "!!merge":
		v.report("has the tag %s; write the value without it", bare(tag))
	default:
		return true
	}
	return false
}

// what says what a value is, for "X is a list".
func (v value) what() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "is a mapping"
	case yaml.SequenceNode:
		return "is a list"
	}
	switch v.node.ShortTag() {
	case "!!null":
		return "has no value"
	case "!!int", "!!float":
		return v.subject() + " is a number"
	case "!!bool":
		return v.subject() + " is a boolean"
	case "!!timestamp":
		return v.subject() + " is a date"
	}
	return v.quote(v.node.Value) + " is text"
}

// subject repeats a scalar that is not a text, as it stands in the file.
func (v value) subject() string {
	if v.hidden {
		return "the value"
	}
	return bare(v.node.Value)
}

// mapping gives the values of a mapping by key. Keys that are not known and
// keys that come twice are problems; the others are given all the same.
func (v value) mapping(known []string) (map[string]value, bool) {
	if !v.plain() {
		return nil, false
	}
	if v.node.Kind != yaml.MappingNode {
		what := "is text"
		if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() == "!!null" {
			what = v.what()
		}
		v.report("%s; write a mapping with keys out of %s", what, strings.Join(known, ", "))
		return nil, false
	}
	found := make(map[string]value, len(v.node.Content)/2)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := value{d: v.d, node: v.node.Content[i], path: v.path, hidden: true}
		name := key.node.Value
		if !key.isName() {
			continue
		}
		child := v.child(name, v.node.Content[i+1])
		key.path = child.path
		switch before, twice := found[name]; {
		case !slices.Contains(known, name):
			key.report("%q is not a key here; %s", shorten(name), instead(name, known))
		case twice:
			key.report("%q is written a second time, after line %d; remove one of the two", name, before.node.Line)
		default:
			found[name] = child
		}
	}
	return found, true
}

// isName reports whether a key of a mapping is a text.
func (key value) isName() bool {
	switch {
	case key.node.Kind == yaml.ScalarNode && key.node.ShortTag() == "!!merge":
		key.report(`"<<" merges another mapping; write its keys themselves: merging is not supported`)
	case !key.plain():
	case key.node.Kind != yaml.ScalarNode || key.node.ShortTag() != "!!str":
		key.report("holds a key that is not text; write the name of a key")
	default:
		return true
	}
	return false
}

func (v value) child(key string, node *yaml.Node) value {
	path := bare(key)
	if v.path != "" {
		path = v.path + "." + path
	}
	return value{d: v.d, node: node, path: path, hidden: v.hidden}
}

// list gives the items of a list; example shows how to write one.
func (v value) list(example string) ([]value, bool) {
	if !v.plain() {
		return nil, false
	}
	if v.node.Kind != yaml.SequenceNode {
		v.report("%s; write a list: %s", v.what(), example)
		return nil, false
	}
	items := make([]value, len(v.node.Content))
	for i, n := range v.node.Content {
		items[i] = value{d: v.d, node: n, path: fmt.Sprintf("%s[%d]", v.path, i), hidden: v.hidden}
	}
	return items, true
}

// isList reports whether a value that may be one thing or several is a list.
func (v value) isList() bool { return v.node.Kind == yaml.SequenceNode }

// boolean reads true or false.
func (v value) boolean() (is, ok bool) {
	if !v.plain() {
		return false, false
	}
	if v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!bool" {
		return strings.EqualFold(v.node.Value, "true"), true
	}
	write := "true or false"
	switch strings.ToLower(v.node.Value) {
	case "yes", "on", "true":
		write = "true"
	case "no", "off", "false":
		write = "false"
	}
	v.report("%s; write %s", v.what(), write)
	return false, false
}

// Text is a form of text: what to write, and what is wrong with a text that does
// not have it.
type Text struct {
	Want string // for "write …"
	// Fault returns "" for a good text. write may be "" too: then Want holds.
	Fault func(text string) (why, write string)
	// Pattern is a regular expression that every good text matches, for the JSON
	// schema. It may match bad ones.
	Pattern string
	// Address says that a password may be in the text: messages then do not repeat it.
	Address bool
	secret  bool     // messages never repeat it
	words   []string // all that is good
	empty   bool     // "" is good too
}

// text reads a text of the form k.
func (v value) text(k Text) (string, bool) {
	if k.Address {
		v = v.address()
	}
	v.hidden = v.hidden || k.secret
	if !v.plain() {
		return "", false
	}
	tag := v.node.ShortTag()
	if v.node.Kind != yaml.ScalarNode || tag == "!!null" {
		v.report("%s; write %s", v.what(), k.Want)
		return "", false
	}
	text := v.node.Value
	why, write := clean(text)
	if why == "" && k.Fault != nil {
		why, write = k.Fault(text)
	}
	if write == "" {
		write = k.Want
	}
	switch {
	case tag == "!!str" && why == "":
		return text, true
	case tag == "!!str":
		v.report("%s %s; write %s", v.quote(text), why, write)
	case why == "" && v.hidden:
		v.report("%s; write it quoted", v.what())
	case why == "":
		v.report("%s; write it quoted: %q", v.what(), shorten(text))
	default:
		v.report("%s %s; write %s", v.subject(), why, write)
	}
	return "", false
}

// clean finds what no text may have.
func clean(text string) (why, write string) {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return "holds a line break or another control character", "it in one line"
	case strings.TrimSpace(text) != text:
		return "has spaces at its ends", "it without them"
	}
	return "", ""
}

// OrEmpty makes the empty text good too: it stands for the default.
func (k Text) OrEmpty() Text {
	fault := k.Fault
	k.empty = true
	k.Fault = func(text string) (why, write string) {
		if text == "" || fault == nil {
			return "", ""
		}
		return fault(text)
	}
	return k
}

// good reports whether a value has the form, and what is wrong with one that has not.
func (k Text) good(v value) bool {
	_, ok := v.text(k)
	return ok
}

// items reads a list of texts. Bad ones are left out of the result.
func (v value) items(k Text, example string) (items []item, ok bool) {
	list, ok := v.list(example)
	for _, i := range list {
		text, good := i.text(k)
		if ok = ok && good; good {
			items = append(items, item{text, i})
		}
	}
	return items, ok
}

// texts reads a list of at least one text.
func (v value) texts(k Text, example string) (items []item, ok bool) {
	items, ok = v.items(k, example)
	if v.isList() && len(v.node.Content) == 0 {
		v.report("is an empty list; write %s, or remove it", example)
		return nil, false
	}
	return items, ok
}

// item is a text and its place.
type item struct {
	text string
	at   value
}
