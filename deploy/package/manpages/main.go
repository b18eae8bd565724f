// Command manpages writes the manual pages of the packages: ecr-refreshd(1) from
// the help that the program itself prints, so that the two cannot part,
// ecr-refreshd.yaml(5) around the commented example of every key, and
// docker-credential-ecr-refreshd(1). What no help says is in the files *.roff beside it.
// It is a tool of the packages' build and is not shipped.
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The text of each page that comes from nowhere else, beginning with a heading.
//
//go:embed *.roff
var text embed.FS

func main() {
	var o options
	flag.StringVar(&o.program, "program", "bin/ecr-refreshd", "the program to ask for its help")
	flag.StringVar(&o.example, "example", "configs/ecr-refreshd.yaml", "the commented example of every key")
	flag.StringVar(&o.version, "version", "", "the version to name")
	flag.Int64Var(&o.epoch, "epoch", 0, "the date to name, in seconds since 1970")
	flag.StringVar(&o.out, "out", ".", "the folder to write to")
	flag.Parse()
	if err := write(o); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(1)
	}
}

type options struct {
	program, example, version, out string
	epoch                          int64
}

// write makes all pages.
func write(o options) error {
	date := time.Unix(o.epoch, 0)
	commands, err := commandsPage(o.program, o.version, date)
	if err != nil {
		return err
	}
	keys, err := keysPage(o.example, o.version, date)
	if err != nil {
		return err
	}
	helper, err := fixedPage("docker-credential-ecr-refreshd", o.version, date)
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"ecr-refreshd.1": commands, "ecr-refreshd.yaml.5": keys, "docker-credential-ecr-refreshd.1": helper,
	} {
		if err := os.WriteFile(filepath.Join(o.out, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const (
	userCommands = "User Commands"
	fileFormats  = "File Formats"
)

// commandsPage is ecr-refreshd(1).
func commandsPage(program, version string, date time.Time) (string, error) {
	tail, err := text.ReadFile("ecr-refreshd.1.roff")
	if err != nil {
		return "", err
	}
	root, err := ask(program)
	if err != nil {
		return "", err
	}
	var p page
	p.title("ecr-refreshd", 1, date, version, userCommands)
	p.section("name")
	p.WriteString("ecr\\-refreshd \\- keeps every Docker on this host logged in to Amazon ECR\n")
	p.section("synopsis")
	p.line("\x00ecr-refreshd\x00 COMMAND [flags]")
	p.section("description")
	p.prose(root.long)
	p.section("commands")
	for _, c := range root.commands {
		if c.name == "help" {
			continue
		}
		h, err := ask(program, c.name)
		if err != nil {
			return "", err
		}
		p.subsection(strings.TrimSuffix(h.usage[0], " [flags]"))
		p.prose(h.long)
		p.items(h.commands)
		p.items(h.flags)
		if len(h.examples) > 0 {
			p.verbatim(h.examples)
		}
	}
	p.section("options of every command")
	p.items(append(root.flags, item{"-h, --help", "what the command does and which flags it has"}))
	p.Write(tail)
	return p.String(), nil
}

// keysPage is ecr-refreshd.yaml(5).
func keysPage(example, version string, date time.Time) (string, error) {
	body, err := text.ReadFile("ecr-refreshd.yaml.5.roff")
	if err != nil {
		return "", err
	}
	keys, err := os.ReadFile(example)
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(string(keys)), "\n")
	for len(lines) > 0 && (strings.HasPrefix(lines[0], "#") || lines[0] == "") {
		lines = lines[1:] // the page says itself what the file's head says
	}
	var p page
	p.title("ecr-refreshd.yaml", 5, date, version, fileFormats)
	head, tail, found := strings.Cut(string(body), ".SH FILES")
	if !found {
		return "", errors.New("ecr-refreshd.yaml.5.roff: has no heading FILES, before which the keys belong")
	}
	p.WriteString(head)
	p.section("every key with its default")
	// Without an indent it fits a terminal of 120 columns.
	p.WriteString(".in 0\n.nf\n")
	for _, line := range lines {
		p.line(line)
	}
	p.WriteString(".fi\n.in\n.SH FILES" + tail)
	return p.String(), nil
}

// fixedPage is a page of section 1 that is written by hand.
func fixedPage(name, version string, date time.Time) (string, error) {
	body, err := text.ReadFile(name + ".1.roff")
	if err != nil {
		return "", err
	}
	var p page
	p.title(name, 1, date, version, userCommands)
	p.Write(body)
	return p.String(), nil
}

// ask gives the help of one command of the program.
func ask(program string, command ...string) (help, error) {
	cmd := exec.Command(program, append(command, "--help")...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return help{}, fmt.Errorf("%s: %w", cmd, err)
	}
	h := parseHelp(string(out))
	if len(h.usage) == 0 || h.long == "" {
		return help{}, fmt.Errorf("%s: its answer is not the help of a command:\n%s", cmd, out)
	}
	return h, nil
}
