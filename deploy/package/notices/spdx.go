package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// document is a software bill of materials: an SPDX 2.3 document with what a scanner needs to know of
// each module. Licence texts are in the notices.
type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creation       `json:"creationInfo"`
	Packages          []spdxPackage  `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	Name             string      `json:"name"`
	SPDXID           string      `json:"SPDXID"`
	VersionInfo      string      `json:"versionInfo"`
	DownloadLocation string      `json:"downloadLocation"`
	FilesAnalyzed    bool        `json:"filesAnalyzed"`
	LicenseConcluded string      `json:"licenseConcluded"`
	LicenseDeclared  string      `json:"licenseDeclared"`
	CopyrightText    string      `json:"copyrightText"`
	ExternalRefs     []reference `json:"externalRefs"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const unknown = "NOASSERTION"

// writeDocument writes the document of the version, made of parts, as of that time. The same of all three give the same bytes.
func writeDocument(w io.Writer, version string, epoch time.Time, parts []linked) error {
	const self = "SPDXRef-ecr-refreshd"
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: "ecr-refreshd-" + version,
		DocumentNamespace: "https://ecr-refreshd.invalid/spdx/" + version,
		CreationInfo:      creation{epoch.UTC().Format("2006-01-02T15:04:05Z"), []string{"Tool: ecr-refreshd's build"}},
		Packages:          []spdxPackage{newPackage(self, "ecr-refreshd", version, "pkg:generic/ecr-refreshd@"+version, "Apache-2.0")},
		Relationships:     []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", self}},
	}
	var modules []string
	for _, p := range parts {
		modules = append(modules, p.module)
	}
	slices.Sort(modules)
	for _, m := range slices.Compact(modules) {
		path, v, found := strings.Cut(m, " ")
		if !found {
			return fmt.Errorf("module %q has no version", m)
		}
		if i := strings.LastIndex(m, " go"); i > 0 {
			path, v = "stdlib", m[i+len(" go"):]
		}
		id := "SPDXRef-" + regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(path+"-"+v, "-")
		d.Packages = append(d.Packages, newPackage(id, path, v, "pkg:golang/"+strings.ReplaceAll(path, "+", "%2B")+"@"+strings.ReplaceAll(v, "+", "%2B"), unknown))
		d.Relationships = append(d.Relationships, relationship{self, "CONTAINS", id})
	}
	// Each document has a name of its own: other modules make another.
	d.DocumentNamespace += fmt.Sprintf("-%x", sha256.Sum256([]byte(strings.Join(slices.Compact(modules), "\n"))))
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func newPackage(id, name, version, locator, licence string) spdxPackage {
	return spdxPackage{Name: name, SPDXID: id, VersionInfo: version, DownloadLocation: unknown, LicenseConcluded: licence, LicenseDeclared: licence,
		CopyrightText: unknown, ExternalRefs: []reference{{"PACKAGE-MANAGER", "purl", locator}}}
}
