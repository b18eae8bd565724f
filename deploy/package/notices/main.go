// Command notices prints the licence of each module that is linked into a program:
// most of those licences demand it of who hands the program on. A module without
// a licence is an error. With -spdx it prints the list of those modules for scanners
// instead. It is a tool of the packages' build and is not shipped.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	spdx := flag.String("spdx", "", "print an SPDX document of this `version` instead")
	epoch := flag.Int64("epoch", 0, "when that was made, in Unix `seconds`")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: notices [-spdx VERSION -epoch SECONDS] PACKAGE...")
		os.Exit(2)
	}
	parts, err := partsOf(flag.Args())
	switch {
	case err != nil:
	case *spdx != "":
		err = writeDocument(os.Stdout, *spdx, time.Unix(*epoch, 0), parts)
	default:
		err = writeNotices(os.Stdout, parts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

// linked is a package that ends up in the program.
type linked struct{ module, dir, root string }

// partsOf lists all that the packages are made of.
func partsOf(packages []string) ([]linked, error) {
	list := exec.Command("go", append([]string{"list", "-deps", "-f",
		"{{if not .Standard}}{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{$.Dir}}\t{{.Dir}}{{end}}{{end}}{{end}}"}, packages...)...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	version, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOVERSION: %w", err)
	}
	root := strings.TrimSpace(string(goroot))
	return append(parseList(string(out)), linked{"Go's standard library " + strings.TrimSpace(string(version)), root, root}), nil
}

// writeNotices writes the licence texts of the parts.
func writeNotices(w io.Writer, parts []linked) error {
	texts, err := collect(parts)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "The programs of ecr-refreshd contain the following works, each under the licence that is given with it.\n")
	for _, t := range texts {
		fmt.Fprintf(b, "\n%s\n%s\n%s\n\n%s\n", strings.Repeat("-", 76), strings.Join(t.modules, "\n"), strings.Repeat("-", 76), t.text)
	}
	return b.Flush()
}

// parseList reads what go list was asked for.
func parseList(list string) []linked {
	var all []linked
	for line := range strings.Lines(list) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			all = append(all, linked{f[0], f[1], f[2]})
		}
	}
	return all
}

// notice is a text and the modules that it is for.
type notice struct {
	text    string
	modules []string
}

// collect finds the licences that lie in the folders of the packages, or above
// them in the same module, each text once, in the order of the first module's name.
func collect(parts []linked) ([]notice, error) {
	modules := map[string][]string{} // by text
	licensed := map[string]bool{}
	for _, p := range parts {
		for dir := p.dir; ; dir = filepath.Dir(dir) {
			texts, err := licences(dir)
			if err != nil {
				return nil, err
			}
			for _, t := range texts {
				licensed[p.module] = true
				if !slices.Contains(modules[t], p.module) {
					modules[t] = append(modules[t], p.module)
				}
			}
			if dir == p.root || !strings.HasPrefix(dir, p.root) {
				break
			}
		}
	}
	var missing []error
	for _, p := range parts {
		if !licensed[p.module] {
			licensed[p.module] = true
			missing = append(missing, fmt.Errorf("%s: no licence in its source", p.module))
		}
	}
	var all []notice
	for text, of := range modules {
		slices.Sort(of)
		all = append(all, notice{text, of})
	}
	slices.SortFunc(all, func(a, b notice) int {
		if c := slices.Compare(a.modules, b.modules); c != 0 {
			return c
		}
		return strings.Compare(a.text, b.text)
	})
	return all, errors.Join(missing...)
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-](txt|md|mit|bsd|apache|code))?$`)

// licences gives the texts of a folder's licence files, in the order of their names.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range entries {
		if e.IsDir() || !licenceName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))))
	}
	return texts, nil
}
