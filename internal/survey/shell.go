package survey

import (
	"regexp"
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

// Command is a login that a cron line or a script does, as far as it can be read
// without running it. Nothing else of the text is kept.
type Command struct {
	First, Last int    // lines
	Region      string // empty if it could not be made out
	Profile     string // empty for the default
	Registries  []registry.Registry
	Public      bool // of ECR Public
}

const (
	maxStatements = 5000
	maxCommands   = 100
	maxVariants   = 32      // of a statement, by the values of its variables
	maxText       = 1 << 10 // bytes of a statement, and of a value
)

var (
	fetches = regexp.MustCompile(`\becr(-public)?\s+(?:get-login-password|get-login|get-authorization-token)\b|\bget_authorization_token\(`)
	// loggingIn is a statement that belongs to a login: it is where a registry stands
	// when the password went through a variable.
	loggingIn = regexp.MustCompile(`\b(?:docker|podman|buildah|skopeo|nerdctl|helm)\b.*\blogin\b`)
	named     = regexp.MustCompile(`[0-9]{12}\.dkr[.-]ecr[a-z0-9.-]+|\b(?:public\.ecr\.aws|ecr-public\.aws\.com)\b`)
	regionIs  = regexp.MustCompile(`--region[=\s]+["']?([a-z0-9-]+)`)
	profileIs = regexp.MustCompile(`--profile[=\s]+["']?([\w.@+-]+)`)
	ids       = regexp.MustCompile(`--registry-ids[=\s]+((?:["']?[0-9]{12}["']?[\s,]*)+)`)
	id        = regexp.MustCompile(`[0-9]{12}`)
	assigns   = regexp.MustCompile(`^(?:export\s+|local\s+|readonly\s+)?([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s"';&|<>]*)\s*`)
	loops     = regexp.MustCompile(`^for\s+([A-Za-z_]\w*)\s+in\s+([^;]*)`)
	variable  = regexp.MustCompile(`\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^}]*))?\})`)
	word      = regexp.MustCompile(`^[\w.@+-]{1,64}$`)
)

// variables are the values that a name may have: several in a loop.
type variables map[string][]string

// statement is what stands between two ends of line that count.
type statement struct {
	first, last int
	text        string
}

// parseShell finds the logins of a script, or of a cron line with its
// environment. alone reports whether the script does nothing else.
func parseShell(text string, env variables) (found []Command, alone bool) {
	vars := variables{}
	for k, v := range env {
		vars[k] = v
	}
	alone = true
	open := false // whether the last of found still wants a registry
	for _, st := range statements(text) {
		alone = alone && harmless(st.text)
		rest := vars.assign(st.text)
		switch {
		case len(found) >= maxCommands:
			return found, false
		case fetches.MatchString(rest):
			n := len(found)
			for _, t := range vars.expand(rest) {
				found = add(found, n, command(st, t, vars))
			}
			open = !slices.ContainsFunc(found[n:], func(c Command) bool { return len(c.Registries) > 0 })
		case open && loggingIn.MatchString(rest):
			last := &found[len(found)-1]
			for _, t := range vars.expand(rest) {
				last.Registries = append(last.Registries, registriesIn(t)...)
			}
			last.Last = st.last
		}
	}
	return found, alone && len(found) > 0
}

// add appends a command unless the statement has given it already: those of the
// statement begin at n.
func add(found []Command, n int, c Command) []Command {
	for _, f := range found[n:] {
		if f.Region == c.Region && f.Profile == c.Profile && slices.Equal(f.Registries, c.Registries) {
			return found
		}
	}
	return append(found, c)
}

func command(st statement, text string, vars variables) Command {
	c := Command{First: st.first, Last: st.last, Registries: registriesIn(text)}
	at := fetches.FindStringSubmatch(text)
	c.Public = len(at) > 1 && at[1] != "" // "-public"
	c.Region = firstValid(registry.ValidRegion, submatch(regionIs, text), vars.only("AWS_REGION"), vars.only("AWS_DEFAULT_REGION"))
	c.Profile = firstValid(word.MatchString, submatch(profileIs, text), vars.only("AWS_PROFILE"), vars.only("AWS_DEFAULT_PROFILE"))
	if len(c.Registries) == 0 && c.Region != "" {
		for _, account := range id.FindAllString(submatch(ids, text), -1) {
			c.Registries = append(c.Registries, registry.Registry{Account: account, Region: c.Region})
		}
	}
	if c.Region == "" && len(c.Registries) > 0 {
		c.Region = c.Registries[0].Region
	}
	return c
}

func registriesIn(text string) []registry.Registry {
	var all []registry.Registry
	for _, name := range named.FindAllString(text, -1) {
		if r, ok := hostOf(strings.TrimRight(name, ".")); ok && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

func submatch(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

func firstValid(valid func(string) bool, texts ...string) string {
	for _, t := range texts {
		if t != "" && valid(t) {
			return t
		}
	}
	return ""
}

// statements splits a script at line ends and at semicolons of its own, takes
// comments away, and joins lines that go on.
func statements(text string) []statement {
	var all []statement
	var open strings.Builder
	line, first := 0, 1
	for l := range strings.Lines(text) {
		line++
		if len(all) >= maxStatements {
			break
		}
		if open.Len() == 0 {
			first = line
		}
		l = l[:min(len(l), maxText)]
		l = strings.TrimSpace(withoutComment(strings.TrimRight(l, "\r\n")))
		head, goesOn := strings.CutSuffix(l, `\`)
		open.WriteString(head)
		// A pipe or an operator at the end continues too.
		if (goesOn || strings.HasSuffix(l, "|") || strings.HasSuffix(l, "&&")) && open.Len() < maxText {
			open.WriteByte(' ')
			continue
		}
		all = split(all, statement{first, line, open.String()})
		open.Reset()
	}
	return split(all, statement{first, line, open.String()})
}

// split takes a line apart where one command follows another. A pipe stays
// whole, and so does what is quoted.
func split(all []statement, s statement) []statement {
	text, from := s.text, 0
	var quote byte
	cut := func(to, next int) {
		if part := strings.TrimSpace(text[from:to]); part != "" {
			all = append(all, statement{s.first, s.last, part})
		}
		from = next
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ';':
			cut(i, i+1)
		case strings.HasPrefix(text[i:], "&&"), strings.HasPrefix(text[i:], "||"):
			cut(i, i+2)
			i++
		}
	}
	cut(len(text), len(text))
	return all
}

// withoutComment cuts a line at a # that begins a word outside of quotes.
func withoutComment(line string) string {
	var quote byte
	for i := range len(line) {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return line[:i]
		}
	}
	return line
}

// assign takes assignments off the beginning of a statement, and the head of a
// loop, and gives the rest. A value that only running would tell is unknown.
func (v variables) assign(text string) string {
	text = strings.TrimPrefix(text, "do ")
	if m := loops.FindStringSubmatch(text); m != nil {
		var values []string
		for _, w := range strings.Fields(m[2]) {
			for _, value := range v.expand(strings.Trim(w, `"'`)) {
				values = append(values, strings.Fields(value)...)
			}
		}
		v.set(m[1], values)
		return ""
	}
	for {
		m := assigns.FindStringSubmatch(text)
		if m == nil {
			return text
		}
		if substitutes(m[2]) {
			delete(v, m[1])
			return text // what is substituted may be the login
		}
		v.set(m[1], v.expand(strings.Trim(m[2], `"'`)))
		text = text[len(m[0]):]
	}
}

func (v variables) set(name string, values []string) {
	if len(values) > maxVariants {
		values = values[:maxVariants]
	}
	v[name] = slices.DeleteFunc(values, func(s string) bool { return len(s) > maxText })
}

// only gives a variable's value if it has one.
func (v variables) only(name string) string {
	if len(v[name]) != 1 {
		return ""
	}
	return v[name][0]
}

// expand gives the text with the values of its variables, a variant for each. A
// variable that is not known stays.
func (v variables) expand(text string) []string {
	texts := []string{text}
	for name, fallback := range used(text) {
		values := v[name]
		if len(values) == 0 && fallback != "" {
			values = []string{fallback}
		}
		if len(values) == 0 {
			continue
		}
		var next []string
		for _, t := range texts {
			for _, value := range values {
				if len(next) < maxVariants {
					next = append(next, replace(t, name, value))
				}
			}
		}
		texts = next
	}
	return texts
}

// used gives the variables of a text and their fallbacks, in order.
func used(text string) func(yield func(name, fallback string) bool) {
	return func(yield func(name, fallback string) bool) {
		var seen []string
		for _, m := range variable.FindAllStringSubmatch(text, -1) {
			name := m[1] + m[2]
			if slices.Contains(seen, name) {
				continue
			}
			seen = append(seen, name)
			if !yield(name, m[3]) {
				return
			}
		}
	}
}

// replace puts a value in the place of a variable, and stops where the text
// becomes longer than anything of use.
func replace(text, name, value string) string {
	var b strings.Builder
	from := 0
	for _, at := range variable.FindAllStringSubmatchIndex(text, -1) {
		m := variable.FindStringSubmatch(text[at[0]:at[1]])
		if m[1]+m[2] != name || b.Len() > maxText {
			continue
		}
		b.WriteString(text[from:at[0]])
		b.WriteString(value)
		from = at[1]
	}
	b.WriteString(text[from:])
	return b.String()
}

// innocent are the words with which a statement may begin that does nothing but
// prepare or report a login.
var innocent = []string{"aws", "echo", "logger", "printf", "set", "sleep", "cd", "umask", "exit", "true", "export", "unset", "source", ".",
	"for", "do", "done", "if", "then", "else", "fi", "while", "{", "}", "[", "[[", "test", "eval", "date", "/usr/bin/aws", "/usr/local/bin/aws"}

// harmless reports whether a statement could go with the login that it belongs to.
func harmless(text string) bool {
	for {
		m := assigns.FindStringSubmatch(text)
		if m == nil {
			break
		}
		if substitutes(m[2]) {
			return true // it only makes a value
		}
		if text = text[len(m[0]):]; text == "" {
			return true
		}
	}
	if fetches.MatchString(text) || strings.TrimSpace(text) == "" {
		return true
	}
	first := strings.Fields(text)[0]
	switch {
	case strings.HasSuffix(first, "docker"), strings.HasSuffix(first, "podman"):
		return loggingIn.MatchString(text) || strings.Contains(text, "logout")
	case strings.HasPrefix(first, "$("), strings.HasSuffix(first, "()"):
		return true
	}
	return slices.Contains(innocent, first)
}

// substitutes reports whether a value is what a command prints.
func substitutes(value string) bool {
	return strings.Contains(value, "$(") || strings.Contains(value, "`")
}
