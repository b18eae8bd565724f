package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFile is the most a file may have, in bytes. Ten thousand registries fit.
const maxFile = 1 << 20

var tooLarge = fmt.Sprintf("has more than %d bytes; write a smaller file", maxFile)

// smallest is the smallest file that works.
const smallest = "registries:\n  - region: us-east-1"

// smallestLine is the same in one line, for the problems, which have one each.
const smallestLine = "registries: [{region: us-east-1}]"

// smallestEntry is what to write where registries names none, as in the file that the
// packages bring.
const smallestEntry = "- region: us-east-1; or have `ecr-refreshd init` draft the file from what is on this host"

// document reads the one YAML document of a file.
func (d *decoder) document(data []byte) (value, bool) {
	text := bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors write
	switch {
	case len(data) > maxFile:
		d.fileProblem(0, "%s", tooLarge)
		return value{}, false
	case !utf8.Valid(text):
		d.fileProblem(lineOfInvalid(text), "is not UTF-8; save the file as UTF-8")
		return value{}, false
	}
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := reader.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF), err == nil && empty(&doc):
		d.fileProblem(0, "is empty; write at least %s", smallestLine)
		return value{}, false
	case err != nil:
		d.syntax(text, err)
		return value{}, false
	}
	switch err := reader.Decode(&second); {
	case err == nil:
		d.fileProblem(second.Line, `has a second document; write one, and remove the line "---"`)
		return value{}, false
	case !errors.Is(err, io.EOF):
		d.syntax(text, err)
		return value{}, false
	}
	return value{d: d, node: doc.Content[0]}, true
}

func (d *decoder) fileProblem(line int, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// empty reports whether a document holds nothing, such as "---" alone.
func empty(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null"
}

func lineOfInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(text[:i], []byte("\n"))
		}
		i += size
	}
	return 0
}

// remedies says for what the YAML library reports what a person can do. The
// texts are the library's only means to tell them apart.
var remedies = []struct{ reported, text string }{
	{"mapping values are not allowed", `has a second ": " in the line, or is indented too far; put the value in quotes, or indent the key like the one above`},
	{"did not find expected key", "is not indented like the lines above, or a quote or bracket before it is not closed; give keys of one mapping the same indentation"},
	{"did not find expected '-' indicator", "is not indented like the list above it; give its keys the indentation of the list item they belong to"},
	{"did not find expected ',' or", "begins or continues a [list] or {mapping} that is not closed; close it, and put a comma between its items"},
	{"unexpected end of stream", "has a quote that is not closed; close it"},
	{"cannot start any token", `has a value that begins with a character reserved by YAML, such as @, % or a backquote; put the value in quotes`},
	{"expected alphabetic or numeric character", "has a value that begins with * or &, which YAML reserves; put the value in quotes"},
	{"unknown escape character", "has a backslash in double quotes; put the value in single quotes"},
	{"control characters", "holds a control character; remove it"},
	{"unknown anchor", "holds an alias; write the value itself: anchors and aliases are not supported"},
}

var libraryLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports text that is not YAML.
func (d *decoder) syntax(text []byte, err error) {
	at := libraryLine.FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(at[1]) // none gives 0, which means the same
	if len(text) <= maxSearch {
		line = faultyLine(text)
	}
	lines := bytes.Split(text, []byte("\n"))
	if 0 < line && line <= len(lines) && tabIndented(lines[line-1]) {
		d.fileProblem(line, "has a tab in its indentation; write spaces")
		return
	}
	for _, r := range remedies {
		if strings.Contains(err.Error(), r.reported) {
			d.fileProblem(line, "%s", r.text)
			return
		}
	}
	d.fileProblem(line, "is not YAML: %s; fix the line, or the one above it", strings.TrimPrefix(err.Error(), at[0]))
}

func tabIndented(line []byte) bool {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	return bytes.ContainsRune(indent, '\t')
}

// maxSearch bounds the work of faultyLine, in bytes of text.
const maxSearch = 64 << 10

// faultyLine gives the first line with which text stops being YAML. The
// library's own line is often that of the block around it. What follows within
// a few lines may still close a bracket or a quote.
func faultyLine(text []byte) int {
	const lookAhead = 8
	lines := bytes.SplitAfter(text, []byte("\n"))
	parses := func(n int) bool {
		reader := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:n], nil)))
		for {
			var doc yaml.Node
			if err := reader.Decode(&doc); err != nil {
				return errors.Is(err, io.EOF)
			}
		}
	}
	good, bad := 0, len(lines)
search:
	for good+1 < bad {
		middle := (good + bad) / 2
		for n := middle; n < min(middle+lookAhead, bad); n++ {
			if parses(n) {
				good = n
				continue search
			}
		}
		bad = middle
	}
	return bad
}
