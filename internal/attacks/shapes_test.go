package attacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
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

// shaped attacks a request of a road with an answer of another shape.
func shaped(s shape) attack {
	return attack{answer: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + s.body, encode: strings.ToLower}
}

// insideVariable makes this program the one in which rows are run: the SDK has
// goroutines of its own, so that a crash takes the process along. It names the first row.
const insideVariable = "ECR_REFRESHD_ATTACKS_FROM"

// row is one shape of the answer to one request of one road.
type row struct {
	road    road
	request string
	shape   shape
}

func (r row) String() string { return r.road.name + ", " + r.request + ", " + r.shape.name }

// rows are every shape of every request, in each provider that reads it.
func rows(t testing.TB) (all []row) {
	seen := map[string]bool{}
	for _, r := range roads {
		for _, request := range r.requests {
			if key := request + r.shapeKey(); !seen[key] {
				seen[key] = true
				probe := httptest.NewRecorder()
				newCloud(t).answer(probe, request)
				for _, s := range shapes(probe.Body.String()) {
					all = append(all, row{r, request, s})
				}
			}
		}
	}
	return all
}

// TestAnAnswerOfAnotherShapeIsInvalid: what is well-formed HTTP and makes no sense
// is a fault, and never a crash.
func TestAnAnswerOfAnotherShapeIsInvalid(t *testing.T) {
	all := rows(t)
	if from, err := strconv.Atoi(os.Getenv(insideVariable)); err == nil {
		silence(t)
		for i := from; i < len(all); i++ {
			fmt.Printf("\nrow %d\n", i)
			all[i].check(t)
		}
		return
	}
	for from := 0; from < len(all); {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), insideVariable+"="+strconv.Itoa(from))
		var out bounded
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		last := 0
		for _, found := range regexp.MustCompile(`(?m)^row (\d+)$`).FindAllStringSubmatch(out.String(), -1) {
			last, _ = strconv.Atoi(found[1])
		}
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "_test.go:") && strings.Contains(line, "reason ") {
				t.Error(strings.TrimSpace(line))
			}
		}
		if at := strings.Index(out.String(), "panic: "); at >= 0 {
			t.Errorf("%s: crash: %s", all[last], head(out.String()[at:], 300))
		} else if err == nil || last == len(all)-1 {
			return
		}
		from = max(last, from) + 1
	}
}

// check attacks and looks at the fault's reason.
func (r row) check(t *testing.T) {
	c := newCloud(t)
	defer c.Close()
	source := r.road.source(t, c)
	c.victim, c.attack = r.request, shaped(r.shape)
	_, err := source.Fetch(t.Context())
	want := []fault.Reason{"", fault.Invalid, fault.Credentials, fault.Network}
	if r.shape.whole && r.request != askIMDSToken && r.request != askIMDSRoles { // whose answers are plain text
		want = []fault.Reason{fault.Invalid}
	}
	var got fault.Reason
	if f := fault.All(err); len(f) > 0 {
		got = f[0].Reason
	}
	if !slices.Contains(want, got) {
		t.Errorf("%s: reason %q, want one of %q: %v", r, got, want, err)
	}
}

// TestAnAnswerOfAnotherShapeFailsItsOwnGrantAlone: the others go on.
func TestAnAnswerOfAnotherShapeFailsItsOwnGrantAlone(t *testing.T) {
	needPrograms(t)
	for i, r := range rows(t) {
		if r.shape.body != "{}" && (*ways != "all" || i%20 != 0) {
			continue
		}
		c := newCloud(t)
		s := r.road.site(t, c)
		c.victim, c.attack = r.request, shaped(r.shape)
		s.once().sound(t, r.String())
	}
}

// shapeKey tells apart the roads whose providers read the same answer by different code.
func (r road) shapeKey() string {
	if strings.Contains(r.name, "profile") || strings.HasPrefix(r.name, "SSO without") {
		return " " + r.name
	}
	return ""
}
