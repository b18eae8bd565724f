package config

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
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

func TestSchemaAndParserKnowTheSameKeys(t *testing.T) {
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	// at follows properties and references from the root.
	at := func(path string) map[string]any {
		node := root
		for step := range strings.FieldsSeq(path) {
			next, ok := node[step].(map[string]any)
			if !ok {
				t.Fatalf("%s: no %s in the schema", path, step)
			}
			node = next
		}
		return node
	}
	seen := map[string]bool{}
	mappings := map[string][]string{
		"properties":                                       rootKeys,
		"properties refresh properties":                    refreshKeys,
		"properties socket properties":                     socketKeys,
		"properties log properties":                        logKeys,
		"$defs registry properties":                        registryKeys,
		"$defs allow properties":                           allowKeys,
		"$defs aws properties":                             awsKeys,
		"$defs aws properties mfa properties":              mfaKeys,
		"properties refresh properties backoff properties": backoffKeys,
	}
	for _, k := range TestKinds {
		for name, keys := range k.block() {
			path := "$defs " + k.Type + " properties"
			if name != "" {
				path += " " + name + " properties"
			}
			mappings[path] = keys
		}
	}
	for path, want := range mappings {
		var got []string
		for key := range at(path) {
			got = append(got, key)
		}
		want = slices.Sorted(slices.Values(want))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the parser %v", path, got, want)
		}
		seen[path] = true
	}
	// Every mapping of the schema is closed and was compared above.
	walkMappings(root, "", func(path string, m map[string]any) {
		if !seen[strings.TrimSpace(path+" properties")] || m["additionalProperties"] != false {
			t.Errorf("the mapping at %q of the schema is open, or not compared with the parser", path)
		}
	})
}

// walkMappings visits what describes a whole mapping, not what only adds a
// condition to one.
func walkMappings(node map[string]any, path string, visit func(string, map[string]any)) {
	if _, described := node["description"]; described && node["type"] == "object" {
		visit(path, node)
	}
	for key, v := range node {
		if child, ok := v.(map[string]any); ok {
			walkMappings(child, path+" "+key, visit)
		}
	}
}

func TestSchemaKnowsTheKindsOfTargets(t *testing.T) {
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Targets struct {
				Items struct {
					Properties struct{ Type struct{ Enum []string } }
					OneOf      []map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	var types []string
	var blocks []map[string]string
	for _, k := range TestKinds {
		types, blocks = append(types, k.Type), append(blocks, map[string]string{"$ref": "#/$defs/" + k.Type})
	}
	items := schema.Properties.Targets.Items
	if !slices.Equal(items.Properties.Type.Enum, types) || !reflect.DeepEqual(items.OneOf, blocks) {
		t.Errorf("the schema has %v and %v, the table %v", items.Properties.Type.Enum, items.OneOf, types)
	}
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
	mappings := [][]string{rootKeys, registryKeys, awsKeys, mfaKeys, refreshKeys, backoffKeys, socketKeys, allowKeys, logKeys}
	for _, k := range TestKinds {
		mappings = slices.AppendSeq(mappings, maps.Values(k.block()))
	}
	for _, keys := range mappings {
		for _, key := range keys {
			if !strings.Contains(string(data), key+":") {
				t.Errorf("the example file does not show %s", key)
			}
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
