package attacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shape is an answer of status 200 that is not as it should be.
type shape struct {
	name, body string
	whole      bool // nothing in it is of use
}

var xmlElement = regexp.MustCompile(`<(AccessKeyId|SecretAccessKey|SessionToken|Expiration)>[^<]*</[^>]*>`)

// shapes are the right answer with each field missing, null, empty and of another
// type, and answers that have nothing of it.
func shapes(honest string) []shape {
	var all []shape
	for _, body := range []string{"{}", "null", "[]", `""`, "5", "", "{", "[null]", "<html><body>sign in</body></html>", "<a/>", "\x00\xff\xfe"} {
		all = append(all, shape{"all is " + fmt.Sprintf("%q", body), body, true})
	}
	var object any
	if json.Unmarshal([]byte(honest), &object) != nil {
		for _, element := range xmlElement.FindAllString(honest, -1) {
			name := xmlElement.FindStringSubmatch(element)[1]
			all = append(all, shape{"without " + name, strings.Replace(honest, element, "", 1), false},
				shape{"empty " + name, strings.Replace(honest, element, "<"+name+"/>", 1), false},
				shape{"nested " + name, strings.Replace(honest, element, "<"+name+"><a>1</a></"+name+">", 1), false})
		}
		return append(all, shape{"without Credentials", regexp.MustCompile(`<Credentials>.*</Credentials>`).ReplaceAllString(honest, ""), true},
			shape{"empty Credentials", regexp.MustCompile(`<Credentials>.*</Credentials>`).ReplaceAllString(honest, "<Credentials/>"), true})
	}
	if _, ok := object.(map[string]any); !ok {
		return all
	}
	for _, path := range paths(object, nil) {
		for _, as := range []struct {
			name  string
			value any
		}{{"null", nil}, {"empty", ""}, {"text", "x"}, {"negative", -1}, {"huge", 1e300}, {"object", map[string]any{}}, {"array", []any{}}, {"array of null", []any{nil}}, {"true", true}} {
			all = append(all, shape{as.name + " " + strings.Join(path, "."), with(honest, path, as.value, false), false})
		}
		all = append(all, shape{"without " + strings.Join(path, "."), with(honest, path, nil, true), false})
	}
	return all
}

// paths are the ways to every field.
func paths(object any, to []string) (found [][]string) {
	switch o := object.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(o)) {
			path := append(slices.Clone(to), name)
			found = append(append(found, path), paths(o[name], path)...)
		}
	case []any:
		for i, inner := range o {
			found = append(found, paths(inner, append(slices.Clone(to), fmt.Sprint(i)))...)
		}
	}
	return found
}

// with is JSON with another value at a path, or none.
func with(text string, path []string, value any, remove bool) string {
	var object any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		panic(err)
	}
	at := object
	for _, name := range path[:len(path)-1] {
		if list, ok := at.([]any); ok {
			at = list[0]
		} else {
			at = at.(map[string]any)[name]
		}
	}
	fields, last := at.(map[string]any), path[len(path)-1]
	if fields[last] = value; remove {
		delete(fields, last)
	}
	changed, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(changed)
}

// TestAnAnswerOfAnotherShapeIsInvalid: what is well-formed HTTP and makes no sense
// fails its own grant and no other, and never the process. The SDK has goroutines of its own,
// so that only a process of its own shows a crash.
func TestAnAnswerOfAnotherShapeIsInvalid(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range roads {
		for _, request := range r.requests {
			if key := request + r.shapeKey(); seen[key] {
				continue
			} else {
				seen[key] = true
			}
			t.Run(r.name+"/"+request, func(t *testing.T) {
				probe := httptest.NewRecorder()
				newCloud(t).answer(probe, request)
				for i, shape := range shapes(probe.Body.String()) {
					if testing.Short() && !shape.whole && i%4 != 0 {
						continue
					}
					c := newCloud(t)
					s := r.site(t, c)
					c.victim, c.attack = request, attack{answer: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + shape.body, encode: strings.ToLower}
					o := s.once()
					o.sound(t, shape.name)
					want := []string{"", "invalid", "credentials", "network"}
					if shape.whole && request != askIMDSToken && request != askIMDSRoles {
						want = []string{"invalid"}
					}
					if !slices.Contains(want, o.reason()) {
						t.Errorf("%s: reason %q, want one of %q: %s", shape.name, o.reason(), want, head(o.said, 500))
					}
				}
			})
		}
	}
}

// shapeKey tells apart the roads whose providers read the same answer by different code.
func (r road) shapeKey() string {
	if strings.Contains(r.name, "profile") || strings.HasPrefix(r.name, "SSO without") {
		return " " + r.name
	}
	return ""
}
