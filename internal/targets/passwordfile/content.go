package passwordfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/login"
)

// user is whom an ECR token is for.
const user = "AWS"

// A format knows what a file holds. No content stands for no file.
type format interface {
	// with returns the content with the logins, in the place of what there was of their hosts.
	// All logins are of one token.
	with(content []byte, logins []login.Login) ([]byte, error)
	// without returns it without those of the logins that are there as they were stored. Of a login
	// of a former process only the digest is known.
	without(content []byte, logins []login.Login) []byte
	// forget returns it without what may be a login of ours at a host of ours. What tells
	// no host is of one: it is where the configuration wants it.
	forget(content []byte, ours func(host string) bool) []byte
}

func (s settings) format() format {
	switch s.Format {
	case "basic":
		return single{of: func(l login.Login) login.Secret { return l.Basic() }, isOurs: isBasic, basic: func(text string) string { return text }}
	case "dockerconfigjson":
		return dockerConfigJSON{}
	case "env":
		return env{s.suffix}
	}
	return single{of: func(l login.Login) login.Secret { return l.Secret }, isOurs: isToken, basic: func(text string) string { return basicOf(user, text) }}
}

// basicOf is a login in its Basic form, by which it is recognized.
func basicOf(username, password string) string {
	return login.Token{Username: username, Secret: login.NewSecret(password)}.Basic().Reveal()
}

// single is a file of one text, without a line's end: a program that wants none would take
// it for a part of the password, and none is known that needs it.
type single struct {
	of     func(login.Login) login.Secret
	isOurs func(text string) bool
	basic  func(text string) string // the text in its Basic form
}

func (f single) with(_ []byte, logins []login.Login) ([]byte, error) {
	return []byte(f.of(logins[0]).Reveal()), nil
}

func (f single) without(content []byte, logins []login.Login) []byte {
	for _, l := range logins {
		if l.Is(f.basic(string(content))) {
			return nil
		}
	}
	return content
}

func (f single) forget(content []byte, _ func(string) bool) []byte {
	if f.isOurs(string(content)) {
		return nil
	}
	return content
}

// isToken reports whether a text looks like an ECR token: base64, and longer than what people
// take for a password.
func isToken(text string) bool {
	const least = 100
	return len(text) >= least && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-") == ""
}

func isBasic(text string) bool {
	plain, err := base64.StdEncoding.DecodeString(text)
	name, password, _ := strings.Cut(string(plain), ":")
	return err == nil && name == user && isToken(password)
}

// dockerConfigJSON is a config.json, as a Kubernetes secret of the type
// kubernetes.io/dockerconfigjson has it. What others have written in it stays.
type dockerConfigJSON struct{}

const auths = "auths"

type auth struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Auth     string `json:"auth"`
}

type object map[string]json.RawMessage

// parse takes content apart. What is not JSON of that form is nothing that anybody could use.
func (dockerConfigJSON) parse(content []byte) (top, hosts object) {
	if json.Unmarshal(content, &top) != nil || top == nil {
		top = object{}
	}
	if json.Unmarshal(top[auths], &hosts) != nil || hosts == nil {
		hosts = object{}
	}
	return top, hosts
}

func (dockerConfigJSON) render(top, hosts object) ([]byte, error) {
	delete(top, auths)
	if len(hosts)+len(top) == 0 {
		return nil, nil
	}
	all, err := encode(hosts)
	if err != nil {
		return nil, err
	}
	top[auths] = all
	return encode(top)
}

// encode writes a value as people do who read it: indented, and without escapes for HTML.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(value)
	return b.Bytes(), err
}

func (f dockerConfigJSON) with(content []byte, logins []login.Login) ([]byte, error) {
	top, hosts := f.parse(content)
	for _, l := range logins {
		entry, err := encode(auth{l.Username, l.Secret.Reveal(), l.Basic().Reveal()})
		if err != nil {
			return nil, err
		}
		hosts[l.Host] = entry
	}
	return f.render(top, hosts)
}

// take takes out the hosts of which gone is true, and leaves a content without such as it is.
func (f dockerConfigJSON) take(content []byte, gone func(host string, is auth) bool) []byte {
	top, hosts := f.parse(content)
	before := len(hosts)
	for host, value := range hosts {
		var is auth
		if json.Unmarshal(value, &is) == nil && gone(host, is) {
			delete(hosts, host)
		}
	}
	if len(hosts) == before {
		return content
	}
	left, err := f.render(top, hosts)
	if err != nil {
		return content // cannot be: all of it was JSON
	}
	return left
}

func (f dockerConfigJSON) without(content []byte, logins []login.Login) []byte {
	return f.take(content, func(host string, is auth) bool {
		return slices.ContainsFunc(logins, func(l login.Login) bool {
			return l.Host == host && l.Is(basicOf(is.Username, is.Password))
		})
	})
}

func (f dockerConfigJSON) forget(content []byte, ours func(string) bool) []byte {
	return f.take(content, func(host string, is auth) bool { return is.Username == user && ours(strings.ToLower(host)) })
}

// env is lines for a shell, EnvironmentFile= and docker's --env-file. None of them needs quotes for
// what a token holds, and the last would take them for a part of it. Other lines stay.
type env struct{ suffix func(host string) string }

const (
	varRegistry = "ECR_REGISTRY"
	varUsername = "ECR_USERNAME"
	varPassword = "ECR_PASSWORD"
	varExpires  = "ECR_EXPIRES_AT"
)

var errUnquotable = errors.New("the password holds a character that would need quotes")

func (f env) with(content []byte, logins []login.Login) ([]byte, error) {
	lines := linesOf(content)
	var add []string
	for _, l := range logins {
		password := l.Secret.Reveal()
		if strings.ContainsFunc(password, func(c rune) bool {
			return c > '~' || c <= ' ' || strings.ContainsRune("\"'`$\\#;&|<>()*?[]{}!~", c)
		}) {
			return nil, errUnquotable
		}
		end := f.suffix(l.Host)
		add = append(add, varRegistry+end+"="+l.Host, varUsername+end+"="+l.Username,
			varPassword+end+"="+password, varExpires+end+"="+l.ExpiresAt.UTC().Format(time.RFC3339))
	}
	missing := func(line string) bool { return !slices.Contains(lines, line) }
	if slices.ContainsFunc(add, missing) {
		for _, l := range logins {
			lines = f.take(lines, l.Host)
		}
		lines = append(lines, add...)
	}
	return contentOf(lines), nil
}

// take takes out the lines of a host.
func (f env) take(lines []string, host string) []string {
	end := f.suffix(host)
	return slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		base, isHosts := strings.CutSuffix(name, end)
		return isHosts && slices.Contains([]string{varRegistry, varUsername, varPassword, varExpires}, base)
	})
}

func (f env) without(content []byte, logins []login.Login) []byte {
	lines := linesOf(content)
	for _, l := range logins {
		end := f.suffix(l.Host)
		if l.Is(basicOf(valueOf(lines, varUsername+end), valueOf(lines, varPassword+end))) {
			lines = f.take(lines, l.Host)
		}
	}
	return contentOf(lines)
}

func (f env) forget(content []byte, ours func(string) bool) []byte {
	lines := linesOf(content)
	for _, line := range slices.Clone(lines) {
		name, host, _ := strings.Cut(line, "=")
		end := f.suffix(host)
		if name == varRegistry+end && slices.Contains(lines, varUsername+end+"="+user) && ours(strings.ToLower(host)) {
			lines = f.take(lines, host)
		}
	}
	return contentOf(lines)
}

// valueOf returns the value of a variable; nothing for one that is not there.
func valueOf(lines []string, name string) string {
	for _, line := range lines {
		if value, is := strings.CutPrefix(line, name+"="); is {
			return value
		}
	}
	return ""
}

func linesOf(content []byte) []string {
	return strings.FieldsFunc(string(content), func(c rune) bool { return c == '\n' })
}

func contentOf(lines []string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}
