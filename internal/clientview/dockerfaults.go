package clientview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
)

// warn notes what docker complains about though it does what it should for this host.
func (f *DockerFile) warn(l *Login) {
	switch {
	case f.fault != nil && f.before == 0:
		l.note("%s; docker warns of it, and this host is not concerned", f.fault)
	case len(f.bad) > 0:
		l.note("docker warns of %s in %s, and this host is not concerned", f.place("auths", f.bad[0]).at(), f.name)
	}
}

// retired are keys that docker knew once, and on whose shape it insisted, with the first
// version that passes them over.
var retired = []struct {
	before int
	keys   func() any
}{
	{29, func() any {
		return new(struct {
			Experimental string `json:"experimental"`
			Auths        map[string]struct {
				Email string `json:"email"`
			} `json:"auths"`
		})
	}},
	{24, func() any {
		return new(struct {
			StackOrchestrator string `json:"stackOrchestrator"`
		})
	}},
	{23, func() any {
		return new(struct {
			Kubernetes *struct {
				AllNamespaces string `json:"allNamespaces"`
			} `json:"kubernetes"`
		})
	}},
}

// old looks for what today's docker passes over and an older one does not.
func (f *DockerFile) old(data []byte) {
	for _, r := range retired {
		var wrongType *json.UnmarshalTypeError
		if errors.As(json.NewDecoder(bytes.NewReader(data)).Decode(r.keys()), &wrongType) {
			f.fault, f.before = shape(fmt.Sprintf("docker before %d", r.before), f.name, data, wrongType), r.before
			return
		}
	}
}

// shape is the fault of a value that is not what a client expects.
func shape(client, file string, data []byte, e *json.UnmarshalTypeError) *fault.Error {
	key, line := placeAt(data, e.Offset)
	if key == "" {
		key = "the content"
	}
	at := Place{Line: line, Key: key}.at()
	got, _, _ := strings.Cut(e.Value, " ") // a number's digits may follow
	want := expected(e.Type)
	hint := "make it " + want
	switch {
	case e.Type == reflect.TypeFor[configfile.ProxyConfig]():
		hint = `write it as {"httpProxy": "…", "httpsProxy": "…", "noProxy": "…"}`
	case e.Type.Kind() == reflect.String && (got == "bool" || got == "number"):
		hint = "put its value between quotes"
	}
	return &fault.Error{
		Reason: fault.Local,
		Op:     fmt.Sprintf("%s gives up %q: %s is %s, and has to be %s", client, file, at, article(got), want),
		Hint:   fmt.Sprintf("correct %s in %s: %s, or delete it", at, file, hint),
	}
}

func article(kind string) string {
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

// expected names the JSON value that a Go type is read from.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// starts are what a file may start with that is not JSON, though an editor shows it as such.
var starts = []struct{ bytes, name string }{
	{"\xef\xbb\xbf", "a byte order mark"},
	{"\xff\xfe", "UTF-16"},
	{"\xfe\xff", "UTF-16"},
	{"{\x00", "UTF-16"},
	{"\x00{", "UTF-16"},
}

// NotJSON says why data, which is not one JSON value, is none: by its encoding, or from which
// line on. What stands there is not said: it could be part of a secret.
func NotJSON(data []byte) (why string, line int) {
	for _, s := range starts {
		if bytes.HasPrefix(data, []byte(s.bytes)) {
			return "it starts with " + s.name + ", which is not JSON", 0
		}
	}
	at := int64(len(data))
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) && syntax.Offset > 0 {
		at = syntax.Offset - 1 // Offset counts the offending byte too
	}
	line, column := syntaxPlace(data, at)
	return fmt.Sprintf("it is not JSON from line %d, column %d on", line, column), line
}

// notJSON is the fault of a file that is not JSON.
func notJSON(client, name string, data []byte) *fault.Error {
	why, line := NotJSON(data)
	e := &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("%s gives up %q: %s", client, name, why),
		Hint: fmt.Sprintf("correct line %d of %s, or move the file away and log in again", line, name)}
	if line == 0 {
		e.Hint = fmt.Sprintf("save %s as UTF-8 without a byte order mark", name)
	}
	return e
}

// badEntry is the fault of an entry at which docker stops reading: that of the host
// itself, or another.
func (f *DockerFile) badEntry(host, key string) *fault.Error {
	p := f.place("auths", key)
	_, err := alone(f.raw[key])
	why := "is not user:password"
	if strings.Contains(err.Error(), "base64") {
		why = "is not base64"
	}
	p.Key += ".auth"
	e := wrong(host, f.drop(key), nil,
		"docker gives up %q at %s, which %s", f.name, p.at(), why)
	if credentials.ConvertToHostname(key) != host {
		e.Op += fmt.Sprintf("; whether it has read the login of %q by then is chance", host)
	}
	return e
}

// unusable is the fault of an entry that makes docker send nothing, or nothing that
// ECR takes.
func (f *DockerFile) unusable(host, key string, l Login, e types.AuthConfig) *fault.Error {
	what := "holds no login"
	switch {
	case e.RegistryToken != "":
		what = "has a registrytoken, which is sent in place of a login"
	case l.Username != "" && l.Secret.IsZero():
		what = "has no password"
	case e.IdentityToken != "":
		what = "has an identitytoken and no login"
	}
	if len(l.Hidden) > 0 {
		what += " and hides " + list(l.Hidden)
	}
	return wrong(host, f.drop(key), nil,
		"%s in %q %s", l.at(), f.name, what)
}

// missing is the answer where auths has nothing for the host.
func (f *DockerFile) missing(host string) Login {
	l := Login{}
	if f.fault != nil && f.before == 0 {
		l.Fault = f.about(host)
		return l
	}
	hint := fmt.Sprintf("log in to %s, or run `ecr-refreshd configure-docker`", host)
	for key := range f.config.AuthConfigs {
		if strings.EqualFold(credentials.ConvertToHostname(strings.TrimSpace(key)), host) {
			p := f.place("auths", key)
			hint = fmt.Sprintf("%s in %s means this host, but is not written as docker looks for it: name it %q", p.at(), f.name, host)
		}
	}
	l.Fault = wrong(host, hint, ErrNoLogin, "find the login of %q in %q", host, f.name)
	f.warn(&l)
	return l
}
