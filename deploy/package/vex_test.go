package packaging_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dockerModule is flagged by scanners for faults of the engine, which its module
// holds beside the client.
const dockerModule = "github.com/docker/docker"

// The statements of the OpenVEX file are true only as long as this is.
func TestOnlyDockersClientIsLinked(t *testing.T) {
	linked := 0
	for _, arch := range []string{"amd64", "arm64"} {
		t.Setenv("GOARCH", arch)
		for p := range strings.FieldsSeq(output(t, "go", "list", "-deps", "../../cmd/...")) {
			path, ours := strings.CutPrefix(p, dockerModule+"/")
			if !ours {
				continue
			}
			linked++
			if part, _, _ := strings.Cut(path, "/"); part != "client" && part != "api" || strings.HasPrefix(path, "api/server") {
				t.Errorf("%s is linked: more than the client", p)
			}
		}
	}
	if linked == 0 {
		t.Errorf("nothing of %s is linked: remove the OpenVEX file", dockerModule)
	}
}

// vex is what a scanner reads of an OpenVEX document, version 0.2.0.
type vex struct {
	Context    string    `json:"@context"`
	ID         string    `json:"@id"`
	Author     string    `json:"author"`
	Timestamp  time.Time `json:"timestamp"`
	Version    int       `json:"version"`
	Statements []struct {
		Vulnerability struct {
			ID      string   `json:"@id"`
			Name    string   `json:"name"`
			Aliases []string `json:"aliases"`
		} `json:"vulnerability"`
		Products []struct {
			ID            string `json:"@id"`
			Subcomponents []struct {
				ID string `json:"@id"`
			} `json:"subcomponents"`
		} `json:"products"`
		Status          string `json:"status"`
		Justification   string `json:"justification"`
		ImpactStatement string `json:"impact_statement"`
	} `json:"statements"`
}

func TestVEXSpeaksOfTheModuleThatIsLinked(t *testing.T) {
	dir := os.Getenv("PACKAGES")
	need(t, dir != "", "needs the built packages: make package-test")
	file, err := os.Open(filepath.Join(dir, "ecr-refreshd.openvex.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var doc vex
	read := json.NewDecoder(file)
	read.DisallowUnknownFields()
	if err := read.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Context != "https://openvex.dev/ns/v0.2.0" || doc.ID == "" || doc.Author == "" || doc.Timestamp.IsZero() || doc.Version < 1 {
		t.Errorf("the head is %+v", doc)
	}
	version := strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Version}}", dockerModule))
	want := "pkg:golang/" + dockerModule + "@" + url.QueryEscape(version)
	seen := map[string]bool{}
	for _, s := range doc.Statements {
		if seen[s.Vulnerability.Name] {
			t.Errorf("%s is there twice", s.Vulnerability.Name)
		}
		seen[s.Vulnerability.Name] = true
		if !strings.HasPrefix(s.Vulnerability.Name, "CVE-") || len(s.Vulnerability.Aliases) != 2 ||
			!strings.HasSuffix(s.Vulnerability.ID, "/"+s.Vulnerability.Aliases[0]) {
			t.Errorf("the vulnerability is named %+v", s.Vulnerability)
		}
		if s.Status != "not_affected" || s.Justification != "vulnerable_code_not_present" || s.ImpactStatement == "" || len(s.Products) == 0 {
			t.Errorf("%s: %+v", s.Vulnerability.Name, s)
		}
		for _, p := range s.Products {
			if len(p.Subcomponents) != 1 || p.Subcomponents[0].ID != want {
				t.Errorf("%s, %s: of %v, want %s", s.Vulnerability.Name, p.ID, p.Subcomponents, want)
			}
		}
	}
	if len(doc.Statements) == 0 {
		t.Error("no statements")
	}
}
