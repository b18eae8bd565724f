package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dockercli "github.com/docker/cli/cli/config"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const (
	hostA = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	hostB = "444455556666.dkr.ecr.us-east-1.amazonaws.com"
)

func loginFor(host, password string) login.Login {
	return login.Token{Username: "AWS", Secret: login.NewSecret(password), ExpiresAt: time.Now().Add(12 * time.Hour)}.For(host)
}

// long writes out the abbreviations of the tables: H is our host and h the same in
// upper case, T the entry that we store for it and t the login in it.
func long(s string) string {
	auth := loginFor(hostA, "pw").Basic().Reveal()
	return strings.NewReplacer(`"h"`, `"`+strings.ToUpper(hostA)+`"`, "HTTPS://h/", "HTTPS://"+strings.ToUpper(hostA)+"/",
		"HTTPS", "HTTPS", "H", hostA, `"t"`, `"`+auth+`"`, "T", `{"auth":"`+auth+`"}`).Replace(s)
}

func compact(t *testing.T, doc *document) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, doc.render()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStoreChangesOnlyWhatIsOurs(t *testing.T) {
	deep := strings.Repeat("[", 3000) + strings.Repeat("]", 3000)
	tests := []struct{ name, file, want string }{
		{"empty file", "", `{"auths":{"H":T}}`},
		{"white space", " \n\t", `{"auths":{"H":T}}`},
		{"empty object", "{}", `{"auths":{"H":T}}`},
		{"no auths", `{"b":1,"a":2}`, `{"auths":{"H":T},"b":1,"a":2}`},
		{"null auths", `{"b":1,"auths":null}`, `{"b":1,"auths":{"H":T}}`},
		{"order of keys", `{"z":1,"auths":{"y":{},"x":{}},"a":{}}`, `{"z":1,"auths":{"y":{},"x":{},"H":T},"a":{}}`},
		{"place of our key", `{"auths":{"a":{},"H":T,"b":{}}}`, ""},
		{"large numbers, escapes, doubles, depth",
			`{"n":1234567890123456789012.50e+400,"s":"\u003c\/\ud83d","n":0,"n":` + deep + `,"\u0061":"ä"}`,
			`{"auths":{"H":T},"n":1234567890123456789012.50e+400,"s":"\u003c\/\ud83d","n":0,"n":` + deep + `,"\u0061":"ä"}`},
		{"other members of our entry", `{"auths":{"H":{"auth":"t","email":"e"}}}`, `{"auths":{"H":T}}`},
		{"empty entry", `{"auths":{"H":{}}}`, `{"auths":{"H":T}}`},
		{"entry that is no object", `{"auths":{"H":7}}`, `{"auths":{"H":T}}`},
		{"old token", `{"auths":{"H":{"auth":"b2xk"},"o":{"auth":"b2xk"}}}`, `{"auths":{"o":{"auth":"b2xk"},"H":T}}`},
		{"doubles", `{"auths":{"https://H":T,"http://H/":{},"https://H/v1/":{},"HTTPS://h/V2/":{},"H/":{},"H/v2":{},"h":{},"H":T,"H":T}}`,
			`{"auths":{"H":T}}`},
		{"what only looks like a double", `{"auths":{"H/team/app":{},"https://H:5000":{},"xH":{},"H.evil":{},"H":T}}`, ""},
		{"escaped key of ours", `{"auths":{"\u0031H1":{"auth":"x"}}}`, `{"auths":{"\u0031H1":{"auth":"x"},"H":T}}`},
		{"auths in other case, and twice", `{"Auths":{"H":T,"a":1},"auths":{"H":T,"b":1},"auths":{"c":1}}`,
			`{"Auths":{"a":1},"auths":{"b":1},"auths":{"c":1,"H":T}}`},
		{"nothing to do, other white space", "{ \"auths\" :\n{\"H\"\t: {\"auth\" : \"t\"}}}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := long(tt.file)
			doc, err := parseDocument([]byte(file))
			if err != nil {
				t.Fatal(err)
			}
			changed := doc.store([]login.Login{loginFor(hostA, "pw")})
			if changed != (tt.want != "") {
				t.Errorf("changed = %v", changed)
			}
			if want := long(tt.want); changed && compact(t, doc) != want {
				t.Errorf("got  %s\nwant %s", compact(t, doc), want)
			}
			again, err := parseDocument(doc.render())
			if err != nil {
				t.Fatal(err)
			}
			if again.store([]login.Login{loginFor(hostA, "pw")}) {
				t.Error("a second store changes the file again")
			}
		})
	}
}

func TestFilesThatAreNotAConfigAreRefused(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"cut off", "{\n\t\"auths\": {", "it is not JSON from line 2, column 11 on"},
		{"a letter too many", "{\n  \"a\": 1,\n  \"s3cret\": x}", "it is not JSON from line 3, column 13 on"},
		{"something after the end", `{} s3cret`, "it is not JSON from line 1, column 4 on"},
		{"byte order mark", "\ufeff{}", "it starts with a byte order mark, which is not JSON"},
		{"UTF-16", "\xff\xfe{\x00", "it starts with UTF-16, which is not JSON"},
		{"UTF-16 without a mark", "{\x00\"\x00", "it starts with UTF-16, which is not JSON"},
		{"a list", `["s3cret"]`, "the file's content is not a JSON object"},
		{"null", `null`, "the file's content is not a JSON object"},
		{"auths is a list", `{"auths":["s3cret"]}`, `the value of "auths" is not a JSON object`},
		{"auths in other case is a string", `{"AUTHS":"s3cret"}`, `the value of "AUTHS" is not a JSON object`},
		{"too deep", strings.Repeat("[", 20000), "it is not JSON from line 1, column 10001 on"},
	}
	for _, tt := range tests {
		_, err := parseDocument([]byte(tt.file))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestRemoveTakesOnlyWhatIsStillOurs(t *testing.T) {
	ours := `{"auth":"` + loginFor(hostA, "pw").Basic().Reveal() + `"}`
	tests := []struct{ name, file, want string }{
		{"ours", `{"auths":{"a":{},"` + hostA + `":` + ours + `}}`, `{"auths":{"a":{}}}`},
		{"ours and its doubles", `{"auths":{"https://` + hostA + `/v2/":` + ours + `,"` + hostA + `":` + ours + `}}`, `{"auths":{}}`},
		{"another login", `{"auths":{"` + hostA + `":{"auth":"b3RoZXI="}}}`, ""},
		{"another host", `{"auths":{"` + hostB + `":` + ours + `}}`, ""},
		{"a double with another login", `{"auths":{"https://` + hostA + `":{"auth":"b3RoZXI="},"` + hostA + `":` + ours + `}}`,
			`{"auths":{"https://` + hostA + `":{"auth":"b3RoZXI="}}}`},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		doc, err := parseDocument([]byte(tt.file))
		if err != nil {
			t.Fatal(err)
		}
		changed := doc.remove([]login.Login{loginFor(hostA, "pw")})
		if changed != (tt.want != "") || changed && compact(t, doc) != tt.want {
			t.Errorf("%s: changed %v, got %s", tt.name, changed, compact(t, doc))
		}
	}
}

// refusedOf is what Store says of a file in which it has put hostA's login.
func refusedOf(doc *document) fault.List {
	return site{path: "/f", format: docker}.refused(viewed(doc), []string{hostA}, sent([]login.Login{loginFor(hostA, "pw")}))
}

// docker itself is the judge of what it will read.
func TestHelpersHideWhatDockerWouldNotRead(t *testing.T) {
	entry := `"auths":{"` + hostA + `":{"auth":"` + loginFor(hostA, "pw").Basic().Reveal() + `"}}`
	tests := []struct {
		name, file string
		want       []string // hints
	}{
		{"none", `{` + entry + `}`, nil},
		{"store", `{` + entry + `,"credsStore":"none-such"}`, []string{`delete the key "credsStore"`}},
		{"store in other case", `{` + entry + `,"CREDSSTORE":"none-such"}`, []string{`delete the key "credsStore"`}},
		{"store, but not for this host", `{` + entry + `,"credsStore":"none-such","credHelpers":{"` + hostA + `":""}}`, nil},
		{"helper", `{` + entry + `,"credHelpers":{"` + hostA + `":"none-such"}}`, []string{`delete the key "` + hostA + `" under "credHelpers"`}},
		{"helper in place of store", `{` + entry + `,"credsStore":"x","credHelpers":{"` + hostA + `":"none-such"}}`, []string{"under \"credHelpers\""}},
		{"helper of another host", `{` + entry + `,"credHelpers":{"*.amazonaws.com":"x","` + hostB + `":"x","https://` + hostA + `":"x"}}`, nil},
		{"helper, the last counts", `{` + entry + `,"credHelpers":{"` + hostA + `":"x"},"credhelpers":{"` + hostA + `":""}}`, nil},
		{"null", `{` + entry + `,"credsStore":null,"credHelpers":null}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := parseDocument([]byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			got := refusedOf(doc)
			if len(got) != len(tt.want) {
				t.Fatalf("got %v", got)
			}
			for i := range got {
				if !strings.Contains(got[i].Hint, tt.want[i]) || !got[i].Concerns(hostA) || got[i].Concerns(hostB) {
					t.Errorf("fault %d: %s; hint: %s; hosts %v", i, got[i], got[i].Hint, got[i].Hosts)
				}
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := dockercli.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			creds, err := config.GetAuthConfig(hostA)
			if reads := err == nil && creds.Password == "pw"; reads == (len(tt.want) > 0) {
				t.Errorf("docker finds the login: %v (%v)", reads, err)
			}
		})
	}
}

func TestOurOwnHelperHidesNothing(t *testing.T) {
	for _, file := range []string{`{"credsStore":"ecr-refreshd"}`, `{"credsStore":"x","credHelpers":{"` + hostA + `":"ecr-refreshd"}}`} {
		doc, err := parseDocument([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := refusedOf(doc); len(got) > 0 {
			t.Errorf("%s: %v", file, got)
		}
	}
}

func TestHelpersThatDockerCannotReadAreReported(t *testing.T) {
	for _, file := range []string{`{"credsStore":7}`, `{"credHelpers":[]}`, `{"credHelpers":{"a":7}}`} {
		doc, err := parseDocument([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := refusedOf(doc); len(got) != 1 || !strings.Contains(got[0].Hint, "/f") {
			t.Errorf("%s: %v", file, got)
		}
	}
}

func FuzzUnknownContentSurvives(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"auths":{"x":{"auth":"eDp5"}},"a":[1,2,{"b":null}],"a":1e99}`, `{"Auths":{},"auths":{"https://h/v1/":0}}`,
		`{"\u0061uths":null}`, "{\"auths\":{\"\xff\":\"\\ud800\"}}", `{"auths":{"` + hostA + `":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parseDocument(data)
		if err != nil {
			if !errors.As(err, new(*problem)) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		first := doc.render()
		again, err := parseDocument(first)
		if err != nil {
			t.Fatalf("rendered file does not parse: %v", err)
		}
		if string(again.render()) != string(first) {
			t.Fatal("rendering is not stable")
		}
		before := foreign(doc)
		doc.store([]login.Login{loginFor(hostA, "pw")})
		after, err := parseDocument(doc.render())
		if err != nil {
			t.Fatalf("stored file does not parse: %v", err)
		}
		if foreign(after) != before {
			t.Fatalf("was %s\nis  %s", before, foreign(after))
		}
		l := look{}
		l.note(after, viewed(doc), map[string]struct{}{hostA: {}})
		if l.hosts[hostA].auth == (digest{}) || l.hosts[hostA].spelled != 1 {
			t.Fatal("our login is not alone in the stored file")
		}
	})
}

// foreign is all of a document that is not about our host, compacted.
func foreign(d *document) string {
	var out []string
	sections := map[int]object{}
	for _, s := range d.sections {
		sections[s.index] = s.entries
	}
	add := func(in string, m member) {
		var compacted bytes.Buffer
		if err := json.Compact(&compacted, object{m}.render(0)); err != nil {
			panic(err)
		}
		out = append(out, in+compacted.String())
	}
	for i, m := range d.top {
		entries, isSection := sections[i]
		if !isSection {
			add("", m)
		}
		for _, e := range entries {
			if !strings.EqualFold(bareHost(e.key), hostA) {
				add("auths ", e)
			}
		}
	}
	return strings.Join(out, "\n")
}
