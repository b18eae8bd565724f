package discover

import (
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

// login is one that a cron line, a unit or a script does, as far as its text says.
// Nothing else of the text is kept.
type login struct {
	line       int    // where it begins
	region     string // empty if it could not be made out
	profile    string // empty for the default
	registries []registry.Registry
}

const (
	maxLines    = 5000
	maxLogins   = 100
	maxVariants = 32      // of a line, by the values of its variables
	maxNames    = 8       // variables in a line
	maxText     = 1 << 10 // bytes of a line, and of the values put into it
)

// This is no shell: a login is a line that matches, and a variable has each value
// that a line above gives it last. What only running would tell is not known.
var (
	fetches = regexp.MustCompile(`\becr(-public)?\s+(?:get-login-password|get-login|get-authorization-token)\b|\bget_authorization_token\(`)
	// logsIn is a line that belongs to a login: it is where a registry stands when the
	// password went through a variable.
	logsIn    = regexp.MustCompile(`\b(?:docker|podman|buildah|skopeo|nerdctl|helm)\b.*\blogin\b`)
	regionIs  = regexp.MustCompile(`--region[=\s]+["']?([a-z0-9-]+)`)
	profileIs = regexp.MustCompile(`--profile[=\s]+["']?([\w.@+-]+)`)
	ids       = regexp.MustCompile(`--registry-ids[=\s]+((?:["']?[0-9]{12}["']?[\s,]*)+)`)
	id        = regexp.MustCompile(`[0-9]{12}`)
	assigns   = regexp.MustCompile(`(?:^|[\s;&|({"'])(?:for\s+([A-Za-z_]\w*)\s+in\s+([^;]*)|([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s"';&|<>]*))`)
	variable  = regexp.MustCompile(`\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^}]*))?\})`)
	comment   = regexp.MustCompile(`^\s*[#;].*|\s#.*`)
)

// lines are those of a script, a crontab or a unit, and the numbers of the lines in
// which they begin: without comments, and with those that go on put together.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n, first, open := 0, 0, ""
		for l := range strings.Lines(text) {
			if n++; n > maxLines {
				break
			}
			if open == "" {
				first = n
			}
			l = strings.TrimSpace(comment.ReplaceAllString(strings.TrimSpace(l[:min(len(l), maxText)]), ""))
			head, goesOn := strings.CutSuffix(l, `\`)
			open += head
			if (goesOn || l == "" && open != "" || strings.HasSuffix(l, "|") || strings.HasSuffix(l, "&&")) && len(open) < maxText {
				open += " "
				continue
			}
			if strings.TrimSpace(open) != "" && !yield(first, open) {
				return
			}
			open = ""
		}
		if strings.TrimSpace(open) != "" {
			yield(first, open)
		}
	}
}

// parseLogins finds the logins of a script, or of a command with its environment.
func parseLogins(text string, env variables) []login {
	var found []login
	vars := maps.Clone(env)
	if vars == nil {
		vars = variables{}
	}
	open := false // whether the last of found still wants a registry
	for n, line := range lines(text) {
		vars.assign(line)
		switch {
		case len(found) >= maxLogins:
			return found
		case fetches.MatchString(line):
			before := len(found)
			for _, variant := range vars.expand(line) {
				l := vars.login(n, variant)
				if !slices.ContainsFunc(found[before:], l.same) {
					found = append(found, l)
				}
			}
			open = len(found[len(found)-1].registries) == 0
		case open && logsIn.MatchString(line):
			last := &found[len(found)-1]
			for _, variant := range vars.expand(line) {
				last.registries = append(last.registries, registriesIn(variant)...)
			}
		}
	}
	return found
}

func (l login) same(other login) bool {
	return l.region == other.region && l.profile == other.profile && slices.Equal(l.registries, other.registries)
}

func (v variables) login(line int, text string) login {
	first := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	}
	l := login{line: line, registries: registriesIn(text)}
	l.region = firstValid(registry.ValidRegion, first(regionIs), v.only("AWS_REGION"), v.only("AWS_DEFAULT_REGION"))
	l.profile = firstValid(word.MatchString, first(profileIs), v.only("AWS_PROFILE"), v.only("AWS_DEFAULT_PROFILE"))
	switch {
	case len(l.registries) > 0:
	case first(fetches) != "": // "-public"
		l.registries = []registry.Registry{{Public: true}}
	case l.region != "":
		for _, account := range id.FindAllString(first(ids), -1) {
			l.registries = append(l.registries, registry.Registry{Account: account, Region: l.region})
		}
	}
	return l
}

// variables are the values that a name may have: several in a loop.
type variables map[string][]string

// assign notes the values that a line gives to variables.
func (v variables) assign(line string) {
	for _, m := range assigns.FindAllStringSubmatch(line, maxVariants) {
		name, text := m[1]+m[3], m[2]+m[4]
		if m[3] != "" && (strings.Contains(text, "$(") || strings.Contains(text, "`")) {
			delete(v, name)
			continue
		}
		values := v.expand(strings.Trim(text, `"'`))
		if m[1] != "" {
			values = strings.Fields(strings.ReplaceAll(strings.Join(values, " "), `"`, ""))
		}
		v[name] = values[:min(len(values), maxVariants)]
	}
}

// only is a variable's value if it has one.
func (v variables) only(name string) string {
	if len(v[name]) != 1 {
		return ""
	}
	return v[name][0]
}

// expand is the text with the values of its variables, a variant for each. A
// variable that is not known stays.
func (v variables) expand(text string) []string {
	texts := []string{text}
	var seen []string
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		values := v[m[1]+m[2]]
		if len(values) == 0 && m[3] != "" {
			values = []string{m[3]}
		}
		if len(values) == 0 || slices.Contains(seen, m[0]) || len(seen) == maxNames {
			continue
		}
		seen = append(seen, m[0])
		var next []string
		for _, t := range texts {
			for _, value := range values[:min(len(values), maxVariants-len(next))] {
				room := maxText
				next = append(next, variable.ReplaceAllStringFunc(t, func(name string) string {
					if name != m[0] || len(value) > room {
						return name
					}
					room -= len(value)
					return value
				}))
			}
		}
		texts = next
	}
	return texts
}
