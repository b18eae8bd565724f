package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dockercli "github.com/docker/cli/cli/config"
)

// withHelper writes out the abbreviations of the tables: H is our host, "us" our helper.
func withHelper(s string) string {
	return strings.NewReplacer(`"H"`, `"`+hostA+`"`, "//H", "//"+hostA, `"us"`, `"ecr-refreshd"`).Replace(s)
}

// viewed is how docker sees the document.
func viewed(doc *document) view { return site{path: "/f", format: docker}.view(doc) }

func parsed(t *testing.T, file []byte) *document {
	t.Helper()
	doc, err := parseDocument(file)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestPointAndBack(t *testing.T) {
	tests := []struct{ name, file, pointed, back string }{ // back: "" is the file as it was
		{"empty", `{}`, `{"credHelpers":{"H":"us"}}`, ""},
		{"others stay in their place", `{"z":1,"auths":{"H":{"auth":"eDp5"},"o":{}},"a":{"credHelpers":[]}}`,
			`{"z":1,"auths":{"H":{"auth":"eDp5"},"o":{}},"a":{"credHelpers":[]},"credHelpers":{"H":"us"}}`, ""},
		{"empty credHelpers", `{"credHelpers":{},"a":1}`, `{"credHelpers":{"H":"us"},"a":1}`, `{"a":1}`},
		{"null", `{"credHelpers":null,"a":1}`, `{"credHelpers":{"H":"us"},"a":1}`, `{"a":1}`},
		{"other hosts", `{"credHelpers":{"o":"pass"}}`, `{"credHelpers":{"o":"pass","H":"us"}}`, ""},
		{"another helper, in its place", `{"credHelpers":{"H":"ecr-login","o":"pass"}}`,
			`{"credHelpers":{"H":"us","o":"pass"}}`, `{"credHelpers":{"o":"pass"}}`},
		{"no helper past credsStore", `{"credsStore":"pass","credHelpers":{"H":""}}`,
			`{"credsStore":"pass","credHelpers":{"H":"us"}}`, `{"credsStore":"pass"}`},
		{"other spelling only", `{"CredHelpers":{"H":"ecr-login"}}`,
			`{"CredHelpers":{"H":"ecr-login"},"credHelpers":{"H":"us"}}`, ""},
		{"other spelling behind", `{"credHelpers":{"o":"x"},"credhelpers":{"p":"y","H":"ecr-login"}}`,
			`{"credHelpers":{"o":"x","H":"us"},"credhelpers":{"p":"y","H":"us"}}`, `{"credHelpers":{"o":"x"},"credhelpers":{"p":"y"}}`},
		{"doubles within", `{"credHelpers":{"H":"x","H":"y"}}`, `{"credHelpers":{"H":"us","H":"us"}}`, `{}`},
		{"doubles of the key", `{"credHelpers":{"H":"x"},"credHelpers":{"o":"y"}}`,
			`{"credHelpers":{"H":"x"},"credHelpers":{"o":"y","H":"us"}}`, ""},
		{"null in other spelling behind", `{"credHelpers":{"H":"x"},"credhelpers":null}`,
			`{"credHelpers":{"H":"x"},"credhelpers":null,"credHelpers":{"H":"us"}}`, ""},
		{"null that makes docker forget", `{"credHelpers":{"o":"x"},"credHelpers":null}`,
			`{"credHelpers":{"o":"x"},"credHelpers":null,"credHelpers":{"H":"us"}}`, ""},
		{"what docker does not take for the host", `{"credHelpers":{"https://H":"x","*.amazonaws.com":"x"}}`,
			`{"credHelpers":{"https://H":"x","*.amazonaws.com":"x","H":"us"}}`, ""},
		{"logins and helpers in any order", `{"credHelpers":{},"Auths":{},"auths":{"a":{}}}`,
			`{"credHelpers":{"H":"us"},"Auths":{},"auths":{"a":{}}}`, `{"Auths":{},"auths":{"a":{}}}`},
		{"a value that is no string", `{"credHelpers":{"H":7}}`, `{"credHelpers":{"H":"us"}}`, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, hosts := withHelper(tt.file), []string{hostA}
			doc := parsed(t, []byte(file))
			if err := doc.point(hosts); err != nil {
				t.Fatal(err)
			}
			if got := compact(t, doc); got != withHelper(tt.pointed) {
				t.Errorf("got  %s\nwant %s", got, withHelper(tt.pointed))
			}
			doc = parsed(t, doc.render())
			wantDockerToAsk(t, doc, ownHelper)
			if helped, err := doc.helped(viewed(doc)); err != nil || !helped[hostA] {
				t.Errorf("helped: %v, %v", helped, err)
			}
			if _, err := doc.unpoint(setOf(hosts)); err != nil {
				t.Fatal(err)
			}
			want := withHelper(tt.back)
			if want == "" {
				want = file
			}
			if got := compact(t, doc); got != want {
				t.Errorf("back: got  %s\nwant %s", got, want)
			}
		})
	}
}

// readable reports whether docker can read the file.
func readable(data []byte) bool {
	_, err := dockercli.LoadFromReader(bytes.NewReader(data))
	return err == nil
}

// wantDockerToAsk lets docker itself say which helper the document sends it to, "" for
// none.
func wantDockerToAsk(t *testing.T, doc *document, want string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), doc.render(), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := dockercli.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, there := config.CredentialHelpers[hostA]
	if !there {
		got = config.CredentialsStore
	}
	if got != want {
		t.Errorf("docker asks %q, want %q", got, want)
	}
}

func TestAnEntryIsOursOnlyIfAllReadersFindIt(t *testing.T) {
	tests := []struct {
		name, file string
		want       bool
	}{
		{"plain", `{"credHelpers":{"H":"us"}}`, true},
		{"escaped", `{"credHelpers":{"H":"ecr\u002drefreshd"}}`, true},
		{"another", `{"credHelpers":{"H":"x"}}`, false},
		{"none", `{}`, false},
		{"other spelling only", `{"CREDHELPERS":{"H":"us"}}`, false},
		{"changed in other spelling", `{"credHelpers":{"H":"us"},"credhelpers":{"H":"x"}}`, false},
		{"changed in other spelling before", `{"credhelpers":{"H":"x"},"credHelpers":{"H":"us"}}`, true},
		{"forgotten", `{"credHelpers":{"H":"us"},"credhelpers":null}`, false},
		{"for docker only", `{"credHelpers":{"H":"x"},"credhelpers":{"H":"us"}}`, false},
		{"double", `{"credHelpers":{"H":"us","H":"x"}}`, false},
		{"double the other way", `{"credHelpers":{"H":"x","H":"us"}}`, true},
	}
	for _, tt := range tests {
		doc := parsed(t, []byte(withHelper(tt.file)))
		got, err := doc.helped(viewed(doc))
		if err != nil || got[hostA] != tt.want {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
	}
	if _, err := parsed(t, []byte(`{"credHelpers":[]}`)).helped(nil); !errors.As(err, new(*problem)) {
		t.Errorf("a list: %v", err)
	}
}

func TestBackLeavesWhatOthersHaveDecidedSince(t *testing.T) {
	tests := []struct {
		name, file string
		hosts      []string
		want       string
	}{
		{"changed since", `{"credHelpers":{"H":"pass"}}`, []string{hostA}, `{"credHelpers":{"H":"pass"}}`},
		{"gone since", `{"credHelpers":{"o":"us"}}`, []string{hostA}, `{"credHelpers":{"o":"us"}}`},
		{"other hosts of ours", `{"credHelpers":{"o":"us","H":"us"}}`, []string{hostA}, `{"credHelpers":{"o":"us"}}`},
		{"all", `{"auths":{},"credHelpers":{"o":"us","H":"us"},"z":1}`, nil, `{"auths":{},"z":1}`},
		{"in front of logins", `{"credHelpers":{"H":"us"},"auths":{"a":{}}}`, []string{hostA}, `{"auths":{"a":{}}}`},
		{"in several spellings", `{"CredHelpers":{"H":"us"},"credHelpers":{"H":"us"},"z":1}`, []string{hostA}, `{"z":1}`},
	}
	for _, tt := range tests {
		doc, hosts := parsed(t, []byte(withHelper(tt.file))), map[string]bool(nil)
		if tt.hosts != nil {
			hosts = setOf(tt.hosts)
		}
		if _, err := doc.unpoint(hosts); err != nil || compact(t, doc) != withHelper(tt.want) {
			t.Errorf("%s: got %s, %v", tt.name, compact(t, doc), err)
		}
	}
}

func FuzzBackIsWhereItStarted(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"credHelpers":{"h":"x","o":"y"}}`, `{"credHelpers":null,"a":1}`, `{"auths":{"h":{}},"CREDHELPERS":{"g":"x"},"credHelpers":{}}`,
		`{"credHelpers":{"h":"x"},"credHelpers":null,"credhelpers":{"h":""},"auths":{}}`, `{"credHelpers":{"h":"x","h":"y"},"credhelpers":{"h":"z"},"credsStore":"s"}`} {
		f.Add([]byte(seed))
	}
	hosts := []string{"h", "g"}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parseDocument(data)
		if err != nil {
			return
		}
		before := parsed(t, data)
		if own, err := parsed(t, data).unpoint(nil); err != nil || !readable(data) || len(own) > 0 {
			return
		}
		if err := doc.point(hosts); err != nil {
			t.Fatal(err)
		}
		doc = parsed(t, doc.render())
		helped, err := doc.helped(viewed(doc))
		if err != nil || !helped["h"] || !helped["g"] {
			t.Fatalf("%s: helped %v, %v", doc.render(), helped, err)
		}
		if _, err := doc.unpoint(nil); err != nil {
			t.Fatal(err)
		}
		after := parsed(t, doc.render())
		if !slices.Equal(besides(before, hosts), besides(after, hosts)) {
			t.Fatalf("was %s\nis  %s", besides(before, hosts), besides(after, hosts))
		}
		if own, _ := after.unpoint(nil); len(own) > 0 {
			t.Fatalf("%s has entries of ours", after.render())
		}
	})
}

// besides is all of a document that is not about helpers for the hosts, compacted;
// members without such entries do not count.
func besides(d *document, hosts []string) (out []string) {
	add := func(in string, m member) {
		var compacted bytes.Buffer
		if err := json.Compact(&compacted, object{m}.render(0)); err != nil {
			panic(err)
		}
		out = append(out, in+compacted.String())
	}
	for _, m := range parsedTop(d) {
		entries, err := parseObject(m.value)
		if !strings.EqualFold(m.key, credHelpers) {
			add("", m)
		} else if err == nil {
			for _, e := range entries {
				if !slices.Contains(hosts, e.key) {
					add(credHelpers+" ", e)
				}
			}
		}
	}
	return out
}

// parsedTop is the document's members as they would be written.
func parsedTop(d *document) object {
	top, err := parseObject(d.render())
	if err != nil {
		panic(err)
	}
	return top
}
