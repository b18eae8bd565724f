package dockerconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ecr-refreshd/internal/login"
)

// document is a config.json taken apart far enough to change logins in it.
// Whatever is not ours stays as it was written.
type document struct {
	top      object
	sections []section // every member that docker reads as "auths"
	sum      digest    // of the file's content, once it was written, or needs not be
}

// section is one member of the document that holds logins, or helpers. docker
// matches the names of top-level keys in any letter case and merges doubles; other
// readers take the last that is spelled exactly. That one is the main section.
type section struct {
	index   int // in document.top
	main    bool
	entries object // nil for null
}

// shapeError says which part of the file is not what it has to be.
func shapeError(part string) error {
	return &problem{part + " is " + errNotObject.Error(), correctIt}
}

// parseDocument reads a config.json; an empty file counts as {}. The error is
// a *problem.
func parseDocument(data []byte) (*document, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	if err := check(data); err != nil {
		return nil, err
	}
	top, err := parseObject(data)
	if err != nil {
		return nil, shapeError("the file's content")
	}
	sections, err := sectionsOf(top, "auths")
	if err != nil {
		return nil, err
	}
	return &document{top: top, sections: sections}, nil
}

// sectionsOf gives every member of top that docker reads under the name. The error
// is a *problem.
func sectionsOf(top object, name string) (sections []section, err error) {
	last := -1
	if i, ok := top.index()[name]; ok {
		last = i
	}
	for i, m := range top {
		if !strings.EqualFold(m.key, name) {
			continue
		}
		s := section{index: i, main: i == last}
		if !isNull(m.value) {
			if s.entries, err = parseObject(m.value); err != nil {
				return nil, shapeError(fmt.Sprintf("the value of %q", m.key))
			}
		}
		sections = append(sections, s)
	}
	return sections, nil
}

func isNull(value json.RawMessage) bool { return bytes.Equal(value, []byte("null")) }

// render gives the file's content.
func (d *document) render() []byte {
	var out bytes.Buffer
	d.write(&out)
	return out.Bytes()
}

// write writes the file's content, which with thousands of logins is too large to be in
// memory besides its parts.
func (d *document) write(out writer) {
	inner := make(map[int]object, len(d.sections))
	for _, s := range d.sections {
		inner[s.index] = s.entries
	}
	d.top.write(out, 0, inner)
}

// mainSection gives the section that our logins go to, made if there is none.
func (d *document) mainSection() *section {
	for i := range d.sections {
		if d.sections[i].main {
			return &d.sections[i]
		}
	}
	for i := range d.sections {
		d.sections[i].index++
	}
	d.top = slices.Insert(d.top, 0, member{rawKey: quoted("auths"), key: "auths", value: []byte("{}")})
	d.sections = slices.Insert(d.sections, 0, section{main: true})
	return &d.sections[0]
}

// store puts the logins in, each under its bare host and nowhere else, and
// reports whether that changed anything.
func (d *document) store(logins []login.Login) (changed bool) {
	wanted := make(map[string]*wantedLogin, len(logins)) // by host
	names := make(map[string]bool, len(logins))          // the hosts in lower case
	var last *wantedLogin
	for i, l := range logins {
		if i == 0 || l.Token != logins[i-1].Token { // those of a token share it: with thousands they are large
			auth := l.Basic().Reveal()
			last = &wantedLogin{auth, object{{rawKey: quoted("auth"), value: quoted(auth)}}.render(2)}
		}
		wanted[l.Host] = last
		names[strings.ToLower(l.Host)] = true
	}
	main := d.mainSection()
	done := make(map[string]bool, len(logins))
	changed = d.drop(func(m member, in *section) bool {
		want, ours := wanted[m.key]
		if !ours || !in.main || done[m.key] {
			return names[strings.ToLower(bareHost(m.key))]
		}
		done[m.key] = authOf(m.value, true) == want.auth // otherwise it is set below
		return !done[m.key]
	})
	for _, l := range logins {
		if !done[l.Host] {
			main.entries = append(main.entries, member{quoted(l.Host), l.Host, wanted[l.Host].entry})
			done[l.Host], changed = true, true
		}
	}
	return changed
}

// wantedLogin is a login in the forms in which a file has it.
type wantedLogin struct {
	auth  string // the value of "auth"
	entry json.RawMessage
}

// drop takes out the entries for which is says so, and reports whether there were any.
func (d *document) drop(is func(m member, in *section) bool) (changed bool) {
	for i := range d.sections {
		s, before := &d.sections[i], len(d.sections[i].entries)
		s.entries = slices.DeleteFunc(s.entries, func(m member) bool { return is(m, s) })
		changed = changed || len(s.entries) < before
	}
	return changed
}

// remove takes out the entries, doubles included, that still hold the login
// given for their host, and reports whether there were any.
func (d *document) remove(logins []login.Login) (changed bool) {
	ours := make(map[string]login.Login, len(logins)) // by host in lower case
	for _, l := range logins {
		ours[strings.ToLower(l.Host)] = l
	}
	return d.drop(func(m member, _ *section) bool {
		l, ok := ours[strings.ToLower(bareHost(m.key))]
		return ok && l.Is(authOf(m.value, false))
	})
}

// forget takes out the entries of the hosts that are ours and whose user is AWS,
// whatever the password, and reports whether there were any.
func (d *document) forget(ours func(host string) bool) (changed bool) {
	return d.drop(func(m member, _ *section) bool {
		auth, err := base64.StdEncoding.DecodeString(authOf(m.value, false))
		return err == nil && bytes.HasPrefix(auth, []byte("AWS:")) && ours(strings.ToLower(bareHost(m.key)))
	})
}

// bareHost gives the host that a key of "auths" means to docker and podman: the
// key without scheme and path. A path without a scheme is podman's way to give
// one repository a login of its own; only /v1 and /v2 are the host itself.
func bareHost(key string) string {
	for _, scheme := range []string{"https://", "http://"} {
		if len(key) >= len(scheme) && strings.EqualFold(key[:len(scheme)], scheme) {
			host, _, _ := strings.Cut(key[len(scheme):], "/")
			return host
		}
	}
	host, path, _ := strings.Cut(key, "/")
	switch strings.ToLower(strings.TrimSuffix(path, "/")) {
	case "", "v1", "v2":
		return host
	}
	return key
}

// authOf gives the string under "auth" of an entry, and "" when there is none or,
// with alone, when the entry has other keys too.
func authOf(entry json.RawMessage, alone bool) string {
	o, err := parseObject(entry)
	if err != nil || alone && len(o) != 1 {
		return ""
	}
	var auth string
	if json.Unmarshal(o.value("auth"), &auth) != nil {
		return ""
	}
	return auth
}
