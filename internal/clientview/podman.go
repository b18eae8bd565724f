package clientview

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// ContainersFile is the content of an auth.json, or of docker's config.json, as podman,
// buildah, skopeo and CRI-O see it. Safe for concurrent use.
type ContainersFile struct {
	name   string
	legacy bool // a ~/.dockercfg: nothing but entries
	auths  map[string]containersAuth
	helped map[string]string
	lines  map[[2]string]int
	fault  *fault.Error // why the client gives up, without hosts
}

type containersAuth struct {
	Auth string `json:"auth"`
}

// ReadContainers reads an auth.json. Name is its path, for texts.
func ReadContainers(name string, content []byte) *ContainersFile {
	return readContainers(name, content, false)
}

func readContainers(name string, content []byte, legacy bool) *ContainersFile {
	f := &ContainersFile{name: name, legacy: legacy}
	var file struct {
		Auths   map[string]containersAuth `json:"auths"`
		Helpers map[string]string         `json:"credHelpers"`
	}
	into := any(&file)
	if legacy {
		into = &file.Auths
	}
	err := json.Unmarshal(content, into) // all of it has to be one value
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		f.auths, f.helped, f.lines = file.Auths, file.Helpers, lines(content)
	case errors.As(err, &wrongType):
		f.fault = shape("podman", name, content, wrongType)
	case len(strings.TrimSpace(string(content))) == 0:
		f.fault = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("podman gives up %q: it is empty", name),
			Hint: fmt.Sprintf("delete %s, or write {} into it", name)}
	default:
		f.fault = notJSON("podman gives up", name, content)
	}
	return f
}

// Login says what podman does for the host by this file alone. Entries for a part of
// the host, such as "host/team", are in the notes. The fault's cause is ErrNoLogin
// where podman looks on in its next file.
func (f *ContainersFile) Login(host string) Login {
	if f.fault != nil {
		e := *f.fault
		e.Hosts = []string{host}
		return Login{Fault: &e}
	}
	l := f.entry(host)
	if helper, there := f.helped[host]; there {
		asked := Login{Place: f.place("credHelpers", host), Helper: helper}
		asked.hides(l.Place)
		if helper == "" {
			asked.Fault = wrong(host, fmt.Sprintf("delete %s from %s", asked.at(), f.name), nil, "podman gives up at %s in %q: it names no helper", asked.at(), f.name)
		}
		return asked
	}
	for key := range f.auths {
		if strings.HasPrefix(key, host+"/") && !f.legacy {
			l.note("%s in %s is used for what is below it", f.place("auths", key).at(), f.name)
		}
	}
	slices.Sort(l.Notes)
	return l
}

// entry says what podman takes from auths.
func (f *ContainersFile) entry(host string) Login {
	none := func(hint, op string, args ...any) *fault.Error { return wrong(host, hint, ErrNoLogin, op, args...) }
	keys := f.keys(host)
	if len(keys) == 0 {
		return Login{Fault: none(fmt.Sprintf("log in to %s", host), "find the login of %q in %q", host, f.name)}
	}
	l := Login{Place: f.place("auths", keys[0])}
	found := f.auths[keys[0]]
	for _, other := range keys[1:] {
		if keys[0] == host {
			l.hides(f.place("auths", other))
		} else if f.auths[other] != found {
			l.hides(f.place("auths", other))
			l.Chance = true
		}
	}
	hint := fmt.Sprintf("delete the entry %q under \"auths\" in %s", printable(keys[0]), f.name)
	decoded, err := base64.StdEncoding.DecodeString(found.Auth)
	username, password, ok := strings.Cut(string(decoded), ":")
	if ok && err == nil {
		l.Username, l.Secret = username, login.NewSecret(strings.Trim(password, "\x00"))
	}
	switch {
	case l.Chance:
		l.Fault = wrong(host, fmt.Sprintf("delete all of them but one, and name that %q", host), nil,
			"podman takes the login of %q at random from %s in %q", host, list(append([]Place{l.Place}, l.Hidden...)), f.name)
	case err != nil:
		l.Fault = wrong(host, hint, nil, "podman gives up at %s in %q, whose auth is not base64", l.at(), f.name)
	case !ok:
		l.Fault = none(hint, "%s in %q holds no login, so that podman passes it over", l.at(), f.name)
	case username == "" || password == "":
		l.Fault = wrong(host, hint, nil, "%s in %q has no user name or no password", l.at(), f.name)
	}
	return l
}

// keys are the keys of auths that mean the host, the one that podman takes first. With
// the exact one there, it takes that; without, any of them.
func (f *ContainersFile) keys(host string) []string {
	var exact, others []string
	for key := range f.auths {
		stripped := strings.TrimPrefix(strings.TrimPrefix(key, "http://"), "https://")
		if f.legacy || stripped != key {
			stripped, _, _ = strings.Cut(stripped, "/")
		}
		switch {
		case key == host:
			exact = []string{key}
		case hubName(stripped) == hubName(host):
			others = append(others, key)
		}
	}
	slices.Sort(others)
	return append(exact, others...)
}

// hubName makes one of the names of docker's own registry.
func hubName(host string) string {
	if host == "docker.io" || host == "registry-1.docker.io" {
		return "index.docker.io"
	}
	return host
}

func (f *ContainersFile) place(path ...string) Place {
	if f.legacy && path[0] == "auths" {
		return Place{File: f.name, Line: f.lines[[2]string{strings.ToLower(path[1])}], Key: fmt.Sprintf("[%q]", printable(path[1]))}
	}
	return placeOf(f.name, f.lines, path...)
}

// containersPaths are the files that a client of podman's family looks at, in its order.
func (e Eye) containersPaths(a *Answer) (paths []file) {
	if path := e.getenv("REGISTRY_AUTH_FILE"); path != "" {
		a.note("podman before 4.4 and skopeo before 1.11 look on where REGISTRY_AUTH_FILE has no login")
		return []file{{path: path, variable: "REGISTRY_AUTH_FILE"}}
	}
	if dir := e.getenv("DOCKER_CONFIG"); dir != "" && a.Client != Skopeo {
		return []file{{path: filepath.Join(dir, "config.json"), variable: "DOCKER_CONFIG"}}
	}
	if dir := e.getenv("XDG_RUNTIME_DIR"); dir == "" {
		paths = append(paths, file{path: fmt.Sprintf("/run/containers/%d/auth.json", e.Account.UID)})
	} else if _, err := e.stat(dir); errors.Is(err, fs.ErrNotExist) {
		a.note("XDG_RUNTIME_DIR names %q, which is not there", dir)
	} else {
		paths = append(paths, file{path: filepath.Join(dir, "containers/auth.json"), variable: "XDG_RUNTIME_DIR"})
	}
	docker, variable := e.dockerPath(Docker)
	return append(paths, file{path: e.configPath("containers/auth.json")},
		file{path: docker, variable: variable}, file{path: filepath.Join(e.home(), ".dockercfg"), legacy: true})
}

// configPath is where a file of the account's own configuration is.
func (e Eye) configPath(path string) string {
	if dir := e.getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, path)
	}
	return filepath.Join(e.home(), ".config", path)
}

// containers answers for podman's family: the first file that has a login decides, and
// one that cannot be read ends the search.
func (e Eye) containers(a *Answer) {
	paths := e.containersPaths(a)
	notes := a.Notes
	var found []Login
	for _, p := range paths {
		f := e.read(a.Host, p.variable, p.path)
		var l Login
		switch {
		case f.fault != nil:
			l.Fault = f.fault
		case !f.there:
			continue
		default:
			l = readContainers(p.path, f.content, p.legacy).Login(a.Host)
		}
		if len(found) == 0 {
			notes = append(notes, l.Notes...)
		}
		if l.NoLogin() {
			if l.Place != (Place{}) && len(found) == 0 {
				notes = append(notes, l.Fault.Op)
			}
			continue
		}
		if found = append(found, l); len(found) == 1 {
			a.File = p.path
		}
		if l.Fault != nil && l.Helper == "" {
			break // what comes behind is not looked at
		}
	}
	chain(a, found)
	a.Notes = notes
	if len(found) == 0 {
		a.File = paths[0].path
		a.Fault = wrong(a.Host, fmt.Sprintf("log in to %s with %s, or let a target write %s", a.Host, a.Client, paths[0].path), ErrNoLogin,
			"find the login of %q where %s looks", a.Host, a.Client)
	}
	e.ask(a)
}

// chain makes the answer of what was found in one file after the other: the first
// decides, and hides the others.
func chain(a *Answer, found []Login) {
	for i, l := range slices.Backward(found) {
		if i+1 < len(found) {
			next := found[i+1]
			l.hides(next.Place)
			l.hides(next.Hidden...)
			if l.Helper != "" && (next.Helper != "" || next.Username != "") {
				l.Behind = &next
			}
		}
		found[i] = l
	}
	if len(found) > 0 {
		a.Login = found[0]
	}
}
