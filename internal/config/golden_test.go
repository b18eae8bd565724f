package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"ecr-refreshd/internal/login"
)

// update rewrites the expected results; read what it changes.
var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// example is one file of testdata and what is expected of it. The archives
// hold them in pairs: NAME.yaml, then NAME.want for a good file, NAME.err for
// one that parser and schema refuse, NAME.parser-err for one that a schema
// cannot see to be wrong.
type example struct {
	name, yaml, want string
	good, schemaSees bool
}

func examples(t testing.TB) []example {
	t.Helper()
	archives, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(archives) < 2 {
		t.Fatalf("found %d archives, %v", len(archives), err)
	}
	var all []example
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(a.Files); i += 2 {
			name, isYAML := strings.CutSuffix(a.Files[i].Name, ".yaml")
			ext, isPair := strings.CutPrefix(a.Files[i+1].Name, name)
			if !isYAML || !isPair {
				t.Fatalf("%s: %q and %q are not a pair", path, a.Files[i].Name, a.Files[i+1].Name)
			}
			all = append(all, example{
				name: strings.TrimSuffix(filepath.Base(path), ".txtar") + "/" + name,
				yaml: string(a.Files[i].Data), want: string(a.Files[i+1].Data),
				good: ext == ".want", schemaSees: ext == ".err",
			})
			if *update {
				got, _ := outcome(all[len(all)-1])
				a.Files[i+1].Data = []byte(got)
			}
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// TestKinds are the kinds of this version; see TestMain.
var TestKinds Kinds

func parse(name string, data []byte) (*Config, error) { return Parse(name, data, TestKinds) }

// outcome is what comes of a file, in the form of testdata. The messages list the
// types of targets; so that a further kind changes none of them, it is known only in the
// archives that have its name.
func outcome(x example) (result string, ok bool) {
	kinds := slices.DeleteFunc(slices.Clone(TestKinds), func(k Kind) bool { return !k.Default && !strings.HasPrefix(x.name, k.Type+"/") })
	c, err := Parse("c.yaml", []byte(x.yaml), kinds)
	if err != nil {
		return err.Error() + "\n", false
	}
	return dump(c), true
}

func TestParse(t *testing.T) {
	for _, x := range examples(t) {
		t.Run(x.name, func(t *testing.T) {
			got, ok := outcome(x)
			if ok != x.good {
				t.Errorf("accepted: %v, want %v", ok, x.good)
			}
			if got != x.want {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", x.yaml, got, x.want)
			}
		})
	}
}

func TestProblemsAreOfTheirType(t *testing.T) {
	_, err := parse("f", []byte("registries: 1\nlog: 2\n"))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 2 || ps[0].Path != "registries" || ps[1].Line != 2 {
		t.Errorf("got %#v", err)
	}
}

// dump writes a configuration for people, with the defaults of identities and
// of the socket left out.
func dump(c *Config) string {
	var b strings.Builder
	for _, g := range c.Grants {
		fmt.Fprintf(&b, "grant %s public=%v %s\n", g.Region, g.Public, dumpIdentity(g.Identity))
		for _, h := range g.Hosts {
			fmt.Fprintf(&b, "  %s account=%q targets=%v%s line=%d\n", h.Name, h.Account, h.Targets, dumpAllow(h.Allow), h.Line)
			if h.Region != g.Region {
				fmt.Fprintf(&b, "  WRONG REGION %s\n", h.Region)
			}
		}
	}
	r := c.Refresh
	fmt.Fprintf(&b, "refresh at=%v jitter=%v schedule=%q timeout=%v backoff=%v..%v\n", r.At, r.Jitter, r.Schedule, r.Timeout, r.BackoffInitial, r.BackoffMax)
	for _, t := range c.Targets {
		fmt.Fprintf(&b, "target %s %s %+v\n", t.Name, t.Type, t.Options)
	}
	if s := c.Socket; !reflect.DeepEqual(s, Socket{}) {
		fmt.Fprintf(&b, "socket path=%q group=%q mode=%04o%s\n", s.Path, s.Group, s.Mode, dumpAllow(s.Allow))
	}
	if c.HTTP != (HTTP{}) {
		fmt.Fprintf(&b, "http listen=%q\n", c.HTTP.Listen)
	}
	fmt.Fprintf(&b, "log %+v\n", c.Log)
	return b.String()
}

func dumpAllow(a Allow) string {
	if a.Empty() {
		return ""
	}
	return fmt.Sprintf(" allow=%q,%q", a.Users, a.Groups)
}

func dumpIdentity(id login.Identity) string {
	var parts []string
	add := func(name, v string) {
		if v != "" {
			parts = append(parts, name+"="+v)
		}
	}
	add("profile", id.Profile)
	add("roles", strings.Join(id.RoleARNs, ">"))
	add("external_id", id.ExternalID)
	add("session", id.SessionName)
	add("serial", id.MFASerial)
	add("command", strings.Join(id.MFACommand, ","))
	add("endpoint", id.EndpointURL)
	add("sts", id.STSEndpointURL)
	if id.FIPS {
		parts = append(parts, "fips")
	}
	if id.DualStack {
		parts = append(parts, "dual-stack")
	}
	return "[" + strings.Join(parts, " ") + "]"
}
