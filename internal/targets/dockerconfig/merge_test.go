package dockerconfig

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestReplayMakesAnotherProgramsChangeAgain(t *testing.T) {
	tests := []struct{ name, base, version, file, want string }{
		{"added login", `{"auths":{}}`, `{"auths":{"x":1}}`, `{"auths":{"ours":0}}`, `{"auths":{"ours":0,"x":1}}`},
		{"first login of all", `{}`, `{"auths":{"x":1}}`, `{"auths":{"ours":0}}`, `{"auths":{"ours":0,"x":1}}`},
		{"null for nothing", `{"auths":null}`, `{"auths":{"x":1}}`, `{"auths":{"ours":0}}`, `{"auths":{"ours":0,"x":1}}`},
		{"changed login", `{"auths":{"x":1}}`, `{"auths":{"x":2}}`, `{"auths":{"x":1,"y":1}}`, `{"auths":{"x":2,"y":1}}`},
		{"removed login", `{"auths":{"x":1,"y":1}}`, `{"auths":{"y":1}}`, `{"auths":{"x":1,"y":1}}`, `{"auths":{"y":1}}`},
		{"changed again since", `{"auths":{"x":1}}`, `{"auths":{"x":2}}`, `{"auths":{"x":3}}`, `{"auths":{"x":3}}`},
		{"removed, and changed since", `{"auths":{"x":1}}`, `{"auths":{}}`, `{"auths":{"x":3}}`, `{"auths":{"x":3}}`},
		{"changed, and removed since", `{"auths":{"x":1}}`, `{"auths":{"x":2}}`, `{"auths":{}}`, `{"auths":{}}`},
		{"there already", `{"auths":{}}`, `{"auths":{"x":1}}`, `{"auths":{"x":1}}`, `{"auths":{"x":1}}`},
		{"other keys", `{"a":1,"b":1}`, `{"a":2,"c":3}`, `{"auths":{},"a":1,"b":1}`, `{"auths":{},"a":2,"c":3}`},
		{"white space only", `{"a":{"b": 1}}`, "{\"a\":{\n\"b\":1}}", `{"a":{"b":2}}`, `{"a":{"b":2}}`},
		{"unknown base gives what is missing", `{}`, `{"auths":{"x":1,"y":1},"k":1}`, `{"auths":{"x":2},"k":2}`, `{"auths":{"x":2,"y":1},"k":2}`},
		{"doubles, of which the last counts", `{}`, `{"a":1,"a":2}`, `{}`, `{"a":2}`},
		{"a value turned into an object", `{"a":1}`, `{"a":{"b":1}}`, `{"a":1}`, `{"a":{"b":1}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := newChange([]byte(tt.base), []byte(tt.version))
			if err != nil {
				t.Fatal(err)
			}
			doc, err := parseDocument([]byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(c.replay(doc.top).render()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if string(doc.top.render()) != tt.file {
				t.Error("the original was changed")
			}
		})
	}
}

func FuzzReplayOnItsOwnBaseGivesTheVersion(f *testing.F) {
	f.Add([]byte(`{"auths":{"x":1},"b":2}`), []byte(`{"auths":{"y":1},"a":[]}`))
	f.Add([]byte(`{"a":{"b":{"c":1}}}`), []byte(`{"a":{"b":{"c":2}}}`))
	f.Fuzz(func(t *testing.T, base, version []byte) {
		c, err := newChange(base, version)
		if err != nil {
			return
		}
		got := c.replay(c.base)
		if !json.Valid(got.render()) {
			t.Fatal("not valid JSON")
		}
		for key, want := range values(c.version) {
			if have := values(got)[key]; have != want {
				t.Fatalf("%q is %s, want %s", key, have, want)
			}
		}
		for key := range values(got) {
			if _, ok := values(c.version)[key]; !ok {
				t.Fatalf("%q is still there", key)
			}
		}
	})
}

// values gives every value as generic JSON, in which the order of keys and
// doubles do not count.
func values(o object) map[string]string {
	all := map[string]string{}
	for _, m := range o {
		var v any
		if err := json.Unmarshal(m.value, &v); err != nil { // a number that is too large
			v = string(m.value)
		}
		all[m.key] = fmt.Sprint(v)
	}
	return all
}
