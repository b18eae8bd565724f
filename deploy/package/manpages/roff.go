package main

import (
	"fmt"
	"strings"
	"time"
)

// page writes a manual page in the man(7) macros. The zero value is empty.
type page struct{ strings.Builder }

// title begins the page.
func (p *page) title(name string, section int, date time.Time, version, manual string) {
	fmt.Fprintf(p, ".\\\" Made from the program's own help; do not edit.\n.TH %s %d %s \"%s\" \"%s\"\n",
		strings.ToUpper(name), section, date.UTC().Format(time.DateOnly), escape("ecr-refreshd "+version), escape(manual))
	// The examples are meant to be copied: no hyphenation, no ragged spaces.
	p.WriteString(".nh\n.ad l\n")
}

func (p *page) section(title string)    { fmt.Fprintf(p, ".SH %s\n", strings.ToUpper(escape(title))) }
func (p *page) subsection(title string) { fmt.Fprintf(p, ".SS \"%s\"\n", escape(title)) }

// prose writes paragraphs. Indented lines are kept as they are.
func (p *page) prose(text string) {
	begun, verbatim := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if verbatim && line != "" && !indented {
			p.endVerbatim()
			verbatim, begun = false, false
		}
		switch {
		case line == "" && verbatim:
		case line == "":
			begun = false
		case indented && !verbatim:
			p.startVerbatim()
			verbatim = true
			p.line(strings.TrimSpace(line))
		case indented:
			p.line(strings.TrimSpace(line))
		default:
			if !begun {
				p.WriteString(".PP\n")
				begun = true
			}
			p.line(line)
		}
	}
	if verbatim {
		p.endVerbatim()
	}
}

// verbatim writes lines as they are, but for their own meaning to roff.
func (p *page) verbatim(lines []string) {
	p.startVerbatim()
	for _, line := range lines {
		p.line(line)
	}
	p.endVerbatim()
}

func (p *page) startVerbatim() { p.WriteString(".PP\n.RS 4\n.nf\n") }
func (p *page) endVerbatim()   { p.WriteString(".fi\n.RE\n") }

// items writes a list of names and what they are.
func (p *page) items(items []item) {
	for _, i := range items {
		p.WriteString(".TP\n")
		p.line("\x00" + i.name + "\x00")
		p.line(i.text)
	}
}

// line writes one line of text; between two null bytes, and between two
// backquotes, it is bold.
func (p *page) line(text string) {
	bold := false
	var b strings.Builder
	for _, r := range escape(text) {
		switch {
		case r != '`' && r != '\x00':
			b.WriteRune(r)
		case bold:
			b.WriteString(`\fR`)
			bold = false
		default:
			b.WriteString(`\fB`)
			bold = true
		}
	}
	if bold {
		b.WriteString(`\fR`)
	}
	p.WriteString(b.String() + "\n")
}

// escape makes text mean itself to roff. Hyphens become minus signs, so that
// what is copied from the page works in a shell.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "~", `\(ti`, "^", `\(ha`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
