package config

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const (
	schemaFile  = "../../configs/ecr-refreshd.schema.json"
	defaultFile = "../../configs/ecr-refreshd.yaml"
)

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate lets the schema judge a file as an editor would.
func validate(s *jsonschema.Schema, text string) error {
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestSchemaAgreesWithTheParser(t *testing.T) {
	s := compileSchema(t)
	for _, x := range examples(t) {
		t.Run(x.name, func(t *testing.T) {
			switch err := validate(s, x.yaml); {
			case x.good && err != nil:
				t.Errorf("the parser accepts, the schema does not: %v\n%s", err, x.yaml)
			case x.schemaSees && err == nil:
				t.Errorf("the parser refuses, the schema accepts:\n%s", x.yaml)
			}
		})
	}
}

func TestSchemaIsThatOfTheFields(t *testing.T) {
	root := object(topLevel())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Configuration of ecr-refreshd"
	root["description"] = "Keeps every Docker on a host logged in to Amazon ECR."
	root["required"] = []string{"registries"}
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the fields make; run go test ./internal/config -update", schemaFile)
	}
}

func topLevel() []Field {
	f := file{c: &Config{}, base: newBlock()}
	return f.fields(TestKinds)
}

// fields are those that a target of the kind has.
func (k Kind) fields() []Field {
	b := Block{fields: new(draft).fields(k)}
	k.Read(&b)
	return b.fields
}

type schema map[string]any

func object(fields []Field) schema {
	properties := schema{}
	for _, f := range fields {
		s := f.shape.schema()
		s["description"] = f.doc
		if p := f.shape.preset; p != nil && p != "" {
			s["default"] = p
		}
		properties[f.key] = s
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties}
}

func (s shape) schema() schema {
	switch s.form {
	case aBoolean:
		return schema{"type": "boolean"}
	case aMapping:
		return object(s.fields)
	case oneOrList:
		one := schema{"type": "array", "items": s.text.schema(), "minItems": 1}
		return schema{"oneOf": []schema{s.text.OrEmpty().schema(), one}}
	case aList:
		list := schema{"type": "array"}
		if s.least > 0 {
			list["minItems"] = s.least
		}
		if s.most > 0 {
			list["maxItems"] = s.most
		}
		switch {
		case s.kinds != nil:
			var blocks []schema
			for _, k := range s.kinds {
				block := object(k.fields())
				block["required"] = []string{"type"}
				blocks = append(blocks, block)
			}
			list["items"] = schema{"oneOf": blocks}
		case s.fields != nil:
			entry := object(s.fields)
			entry["minProperties"] = 1
			list["items"] = entry
		default:
			list["items"] = s.text.schema()
		}
		return list
	}
	return s.text.schema()
}

func (k Text) schema() schema {
	s := schema{"type": "string"}
	if k.words != nil {
		return schema{"enum": k.words}
	}
	if k.Pattern != "" {
		s["pattern"] = k.Pattern
		if k.empty {
			s["pattern"] = "^$|" + k.Pattern
		}
	}
	return s
}

func TestDefaultsAreWhatTheExampleFileSays(t *testing.T) {
	data, err := os.ReadFile(defaultFile)
	if err != nil {
		t.Fatal(err)
	}
	full, err := parse("f", data)
	if err != nil {
		t.Fatal(err)
	}
	least, err := parse("f", []byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	least.Grants[0].Hosts[0].Line = full.Grants[0].Hosts[0].Line
	if !reflect.DeepEqual(full, least) {
		t.Errorf("the example file gives\n%swithout its defaults it is\n%s", dump(full), dump(least))
	}
	if err := validate(compileSchema(t), string(data)); err != nil {
		t.Error(err)
	}
}

// The values of the example file are compared as text too: "" may stand for a
// default of which the file should show the value.
func TestExampleFileShowsEveryKey(t *testing.T) {
	data, err := os.ReadFile(defaultFile)
	if err != nil {
		t.Fatal(err)
	}
	walk(topLevel(), func(f Field) {
		if !strings.Contains(string(data), f.key+":") {
			t.Errorf("the example file does not show %s", f.key)
		}
		if f.doc == "" {
			t.Errorf("%s has no description", f.key)
		}
	})
}

// walk visits every field of every mapping.
func walk(fields []Field, visit func(Field)) {
	for _, f := range fields {
		visit(f)
		walk(f.shape.fields, visit)
		for _, k := range f.shape.kinds {
			walk(k.fields(), visit)
		}
	}
}

func TestSmallestFilesWork(t *testing.T) {
	s := compileSchema(t)
	for _, text := range []string{smallest, smallestLine} {
		if _, err := parse("f", []byte(text)); err != nil {
			t.Error(err)
		}
		if err := validate(s, text); err != nil {
			t.Error(err)
		}
	}
}

func TestBlockIsGoodIfAllInItAre(t *testing.T) {
	for text, want := range map[string]bool{"{outer: {inner: a}}": true, "{outer: {inner: 1}}": false, "{outer: {other: a}}": true, "{outer: 1}": false} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		b := Block{at: value{d: &decoder{}, node: doc.Content[0]}}
		b.Read(Group("outer", "", []Field{String("inner", "", new(string), Text{})}, nil))
		if b.Good() != want || b.Good("outer") != want || !b.Good("another") {
			t.Errorf("%s: good: %v", text, b.Good())
		}
		if b.Report("", "is wrong"); b.Good() {
			t.Errorf("%s: good after a report", text)
		}
	}
}

// The zero Block is that of a default, and describes a kind.
func TestZeroBlockReportsNothing(t *testing.T) {
	var b Block
	b.Read(String("path", "", new(string), AbsolutePath))
	b.Report("path", "is not written")
	b.Report("", "has no path")
}
