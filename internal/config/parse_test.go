package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"ecr-refreshd/internal/login"
)

func TestParseRefusesWhatIsNotText(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"not UTF-8", "registries:\n  - region: us-\xe9ast-1\n", "c.yaml:2: is not UTF-8; save the file as UTF-8"},
		{"UTF-16", "\xff\xfer\x00", "c.yaml:1: is not UTF-8"},
		{"control character", "registries:\n  - region: \x00\n", "c.yaml:2: holds a control character; remove it"},
		{"escaped control character", "registries:\n  - region: \"us\\x07\"\n", "holds a line break or another control character"},
		{"too large", strings.Repeat("\n", maxFile+1), "c.yaml: has more than 1048576 bytes; write a smaller file"},
		{"deep", strings.Repeat("[", 100_000), "c.yaml: is not YAML: exceeded max depth"},
		{"long value", "registries:\n  - region: " + strings.Repeat("x", 1000), strings.Repeat("x", 100) + `…" is not the name`},
		{"long key", "registries:\n  - " + strings.Repeat("x", 1000) + ": 1", strings.Repeat("x", 100) + `…" is not a key here`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("c.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestParseTakesAByteOrderMark(t *testing.T) {
	if _, err := parse("c.yaml", []byte("\ufeff"+smallest)); err != nil {
		t.Error(err)
	}
	_, err := parse("c.yaml", []byte("\ufefflog: 1\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "c.yaml:1:1: ") {
		t.Errorf("the columns are off: %v", err)
	}
}

// What may be a secret must not come back in a message, whatever is wrong with it.
func TestProblemsHoldNoSecrets(t *testing.T) {
	for _, x := range examples(t) {
		if !x.good && strings.Contains(x.want, "s3cr3t") {
			t.Errorf("%s: %s", x.name, x.want)
		}
	}
}

func TestLinesAreFoundBehindBracketsOfSeveralLines(t *testing.T) {
	var b strings.Builder
	b.WriteString("registries:\n")
	for i := range 40 {
		fmt.Fprintf(&b, "  - regions: [us-east-1,\n      us-east-2,\n      eu-west-%d]\n", i)
	}
	b.WriteString("  - region: a: b\n")
	for i := range 40 {
		fmt.Fprintf(&b, "  - regions: [us-east-1,\n      eu-west-%d]\n", i)
	}
	_, err := parse("c.yaml", []byte(b.String()))
	if err == nil || !strings.HasPrefix(err.Error(), "c.yaml:122: ") {
		t.Errorf("got %v, want line 122", err)
	}
}

func TestProductOfAccountsAndRegionsIsBounded(t *testing.T) {
	entry := func(accounts, regions int) string {
		var b strings.Builder
		b.WriteString("  - accounts: [")
		for i := range accounts {
			fmt.Fprintf(&b, "%q,", fmt.Sprintf("%012d", i))
		}
		b.WriteString("]\n    regions: [")
		for i := range regions {
			fmt.Fprintf(&b, "us-east-%d,", i)
		}
		b.WriteString("]\n")
		return b.String()
	}
	if _, err := parse("c.yaml", []byte("registries:\n"+entry(5000, 2))); err != nil {
		t.Error(err)
	}
	_, err := parse("c.yaml", []byte("registries:\n"+entry(5000, 2)+"  - region: eu-west-1\n"+entry(30000, 30)))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Path != "registries[1]" {
		t.Errorf("got %v, want one problem at the entry that is too much", err)
	}
}

func TestTargetsAreBounded(t *testing.T) {
	text := smallest + "\ntargets:\n"
	for i := range maxTargets + 1 {
		text += fmt.Sprintf("  - {type: engine, host: unix:///%d.sock}\n", i)
	}
	_, err := parse("c.yaml", []byte(text))
	if want := "targets[100]: is one of 101 targets; write 100 at most"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want …%s…", err, want)
	}
}

func TestKeyTellsGrantsApart(t *testing.T) {
	grants := []Grant{
		{Region: "us-east-1"},
		{Region: "us-east-1", Public: true},
		{Region: "eu-west-1"},
		{Region: "us-east-1", Identity: login.Identity{Profile: "a"}},
		{Region: "us-east-1", Identity: login.Identity{RoleARNs: []string{"a", "b"}}},
		{Region: "us-east-1", Identity: login.Identity{RoleARNs: []string{"a,b"}}},
		{Region: "us-east-1", Identity: login.Identity{FIPS: true}},
		{Region: "us-east-1", Identity: login.Identity{MFASerial: "a"}},
	}
	seen := map[string]int{}
	for i, g := range grants {
		if before, ok := seen[g.Key()]; ok {
			t.Errorf("grants %d and %d have one key", before, i)
		}
		seen[g.Key()] = i
		g.Hosts = []Host{{Name: "x"}}
		if seen[g.Key()] != i {
			t.Errorf("the key of grant %d depends on its hosts", i)
		}
	}
}

// large is a file of 2,000 hosts in 20 grants.
func large() []byte {
	var b strings.Builder
	b.WriteString("registries:\n")
	for grant := range 20 {
		for account := range 100 {
			fmt.Fprintf(&b, "  - account: \"%012d\"\n    region: us-east-%d\n    aws: {profile: build}\n", account, grant)
		}
	}
	return []byte(b.String())
}

func TestNodesOfTheFileAreNotKept(t *testing.T) {
	data := large()
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c, err := parse("c.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	after := heap()
	hosts := 0
	for _, g := range c.Grants {
		hosts += len(g.Hosts)
	}
	if len(c.Grants) != 20 || hosts != 2000 {
		t.Errorf("%d grants, %d hosts", len(c.Grants), hosts)
	}
	// A Host and its strings take about 250 bytes, the nodes several kilobytes.
	if kept := int64(after) - int64(before); kept > 2000*600 {
		t.Errorf("%d bytes are kept", kept)
	}
	runtime.KeepAlive(data)
}

func BenchmarkParse(b *testing.B) {
	data := large()
	for b.Loop() {
		if _, err := parse("c.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, x := range examples(f) {
		f.Add([]byte(x.yaml))
	}
	f.Add([]byte("a: &a [*a, *a]\nregistries: [*a]\n"))
	s := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse("c.yaml", data)
		if err != nil {
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("error %v is not made of problems", err)
			}
			for _, p := range ps {
				if strings.ContainsAny(p.Error(), "\n\r") {
					t.Fatalf("%q is not one line", p.Error())
				}
			}
			return
		}
		again, err := parse("c.yaml", data)
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("accepted once, and then: %v", err)
		}
		for _, g := range c.Grants {
			for _, h := range g.Hosts {
				if h.Name == "" || len(h.Targets) == 0 || h.Line == 0 || h.Region != g.Region || !usable(h.Allow) {
					t.Fatalf("host %+v of grant %+v", h, g)
				}
			}
		}
		if s := c.Socket; len(s.Path) > maxSocketPath || s.Path != "" && !filepath.IsAbs(s.Path) || !usable(s.Allow) {
			t.Fatalf("socket %+v", s)
		}
		if mode := c.SocketMode(); mode&^0o666 != 0 || mode&0o600 != 0o600 {
			t.Fatalf("mode of the socket %04o", mode)
		}
		if err := validate(s, string(data)); err != nil {
			t.Fatalf("the parser accepts, the schema does not: %v", err)
		}
	})
}
