package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const helpText = `Does a thing; mind the
- dash.

  first line
  second

.dots and 'quotes'

Usage:
  tool go HOST [flags]

Examples:
  tool go a
  tool go b

Available Commands:
  up          Goes up
  down        Goes down

Flags:
  -h, --help             help for go
      --output a|b       form of the result (default a)
      --fast             without  two spaces

Global Flags:
      --config file   the file

Use "tool go [command] --help" for more information about a command.
`

func TestParseHelp(t *testing.T) {
	want := help{
		long:     "Does a thing; mind the\n- dash.\n\n  first line\n  second\n\n.dots and 'quotes'",
		usage:    []string{"tool go HOST [flags]"},
		examples: []string{"tool go a", "tool go b"},
		commands: []item{{"up", "Goes up"}, {"down", "Goes down"}},
		flags:    []item{{"--output a|b", "form of the result (default a)"}, {"--fast", "without  two spaces"}},
		global:   []item{{"--config file", "the file"}},
	}
	if got := parseHelp(helpText); !reflect.DeepEqual(got, want) {
		t.Errorf("parseHelp: %+v, want %+v", got, want)
	}
}

func FuzzParseHelp(f *testing.F) {
	f.Add(helpText)
	f.Add("Usage:\n\nFlags:\n--x")
	f.Fuzz(func(t *testing.T, text string) {
		h := parseHelp(text)
		var p page
		p.prose(h.long)
		p.items(append(h.flags, h.global...))
		p.verbatim(h.examples)
		// A line that begins with a dot or a quote is a request to roff.
		for line := range strings.Lines(p.String()) {
			request, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch request {
			case ".PP", ".RS", ".RE", ".nf", ".fi", ".TP":
			default:
				if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
					t.Errorf("%q made the request %q", text, line)
				}
			}
		}
	})
}

func TestLine(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", "a word", "a word\n"},
		{"a flag", "--undo", `\-\-undo` + "\n"},
		{"a command", "type `ls -l` now", `type \fBls \-l\fR now` + "\n"},
		{"a command without its end", "type `ls", `type \fBls\fR` + "\n"},
		{"a request", ".so /etc/passwd", `\&.so /etc/passwd` + "\n"},
		{"a quote at the begin", "'tis", `\(aqtis` + "\n"},
		{"a backslash", `a\fB`, `a\efB` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p page
			p.line(test.text)
			if got := p.String(); got != test.want {
				t.Errorf("line(%q): %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestProseKeepsIndentedLines(t *testing.T) {
	var p page
	p.prose("one\ntwo\n\n\tcmd -x\n\n  cmd -y\nthree")
	want := ".PP\none\ntwo\n.PP\n.RS 4\n.nf\ncmd \\-x\ncmd \\-y\n.fi\n.RE\n.PP\nthree\n"
	if got := p.String(); got != want {
		t.Errorf("prose: %q, want %q", got, want)
	}
}

// program is a shell script that answers --help as a program would.
func program(t *testing.T, script string) string {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandsPage(t *testing.T) {
	const script = `case $1 in
--help) printf 'Long text.\n\nUsage:\n  x [command]\n\nAvailable Commands:\n  go   Goes\n  help   Helps\n\nFlags:\n      --all   everything\n' ;;
go) printf 'Goes there.\n\nUsage:\n  x go [flags]\n\nFlags:\n      --far   far away\n' ;;
*) exit 1 ;;
esac`
	got, err := commandsPage(program(t, script), "1.0", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`.TH ECR-REFRESHD 1 1970-01-01 "ecr\-refreshd 1.0"`, "Long text.", `.SS "x go"`, "Goes there.", `\fB\-\-far\fR`,
		`\fB\-\-all\fR`, ".SH EXIT STATUS"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, wrong := range []string{"exit 1", "echo 'no help here'"} {
		if page, err := commandsPage(program(t, wrong), "1.0", time.Unix(0, 0)); err == nil {
			t.Errorf("a program that does %q gives a page:\n%s", wrong, page)
		}
	}
}

func TestKeysPageHasTheExampleAndEndsWithReferences(t *testing.T) {
	got, err := keysPage("../../../configs/ecr-refreshd.yaml", "1.0", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	keys, files := strings.Index(got, "\nregistries:"), strings.Index(got, ".SH FILES")
	if keys < 0 || files < keys {
		t.Errorf("the keys are at %d, the files at %d:\n%s", keys, files, got)
	}
	if strings.Contains(got, "yaml-language-server") {
		t.Error("the head of the example is in the page")
	}
}
