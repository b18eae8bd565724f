package main

import "strings"

// help is what a command prints for --help, in the form that cobra gives it.
type help struct {
	long     string // as the command's author wrote it
	usage    []string
	examples []string
	commands []item
	flags    []item
	global   []item
}

// item is a row of two columns: a command or a flag, and what it is.
type item struct{ name, text string }

// parseHelp takes a help text apart. It does not fail: a text of another form
// is all prose, which the caller sees from the missing usage.
func parseHelp(text string) help {
	var h help
	var long []string
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if title, found := strings.CutSuffix(line, ":"); found && isSection(title) {
			section = title
			continue
		}
		if section != "" && strings.HasPrefix(line, "Use \"") {
			break
		}
		switch section {
		case "":
			long = append(long, line)
		case "Usage":
			h.usage = appendText(h.usage, line)
		case "Examples":
			h.examples = appendText(h.examples, line)
		case "Available Commands":
			h.commands = appendItem(h.commands, line, " ")
		case "Flags":
			h.flags = appendItem(h.flags, line, "  ")
		case "Global Flags":
			h.global = appendItem(h.global, line, "  ")
		}
	}
	h.long = strings.Trim(strings.Join(long, "\n"), "\n")
	return h
}

func isSection(title string) bool {
	switch title {
	case "Usage", "Examples", "Available Commands", "Flags", "Global Flags":
		return true
	}
	return false
}

func appendText(lines []string, line string) []string {
	if line = strings.TrimSpace(line); line == "" {
		return lines
	}
	return append(lines, line)
}

// appendItem adds a row; gap is what separates its columns at least. The flag
// --help, which every command has, says nothing.
func appendItem(items []item, line, gap string) []item {
	name, text, _ := strings.Cut(strings.TrimSpace(line), gap)
	if name == "" || strings.Contains(name, "--help") {
		return items
	}
	return append(items, item{name, strings.TrimSpace(text)})
}
