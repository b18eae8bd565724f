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

	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
)

// ContainersFile is the content of an auth.json, or of docker's config.json, as podman,
// buildah, skopeo and CRI-O see it. Safe for concurrent use.
type ContainersFile struct {
	content
	auths  map[string]containersAuth
	keys   map[string][]string // of auths, by the host that they mean
	parts  map[string][]string // those for a part of a host, by that
	helped map[string]string
}

type containersAuth struct {
	Auth string `json:"auth"`
}

// ReadContainers reads an auth.json. Name is its path, for texts.
func ReadContainers(name string, data []byte) *ContainersFile {
	return readContainers(name, data, false)
}

func readContainers(name string, data []byte, legacy bool) *ContainersFile {
	f := &ContainersFile{content: content{client: "podman", name: name, legacy: legacy}}
	var file struct {
		Auths   map[string]containersAuth `json:"auths"`
		Helpers map[string]string         `json:"credHelpers"`
	}
	into := any(&file)
	if legacy {
		into = &file.Auths
	}
	err := json.Unmarshal(data, into) // all of it has to be one value
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		f.auths, f.helped, f.lines = file.Auths, file.Helpers, lines(data)
		f.keys, f.parts = map[string][]string{}, map[string][]string{}
		for key := range f.auths { // a file may have thousands of hosts, and each is asked for
			host := f.hostOf(key)
			f.keys[host] = append(f.keys[host], key)
			if host, _, part := strings.Cut(host, "/"); part {
				f.parts[host] = append(f.parts[host], key)
			}
		}
	case errors.As(err, &wrongType):
		f.fault = shape("podman", name, data, wrongType)
	case len(strings.TrimSpace(string(data))) == 0:
		f.fault = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("podman gives up %q: it is empty", name),
			Hint: fmt.Sprintf("delete %s, or write {} into it", name)}
	default:
		f.fault = notJSON("podman", name, data)
	}
	return f
}

// Login says what podman does for the host by this file alone. Entries for a part of
// the host, such as "host/team", are in the notes; the other names of docker's own registry are not followed. The fault's cause is ErrNoLogin
// where podman looks on in its next file.
func (f *ContainersFile) Login(host string) Login {
	if f.fault != nil {
		return Login{Fault: f.about(host)}
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
	for _, key := range f.parts[host] {
		l.note("%s in %s is used for what is below it", f.place("auths", key).at(), f.name)
	}
	slices.Sort(l.Notes)
	return l
}

// entry says what podman takes from auths.
func (f *ContainersFile) entry(host string) Login {
	keys := keysOf(f.auths, host, f.keys[host])
	if len(keys) == 0 {
		return Login{Fault: wrong(host, "log in to "+host, ErrNoLogin, "find the login of %q in %q", host, f.name)}
	}
	l, _, err := f.pick(host, host, keys, f.auth)
	switch {
	case l.Chance:
	case errors.Is(err, ErrNoLogin):
		l.Fault = wrong(host, f.drop(keys[0]), ErrNoLogin, "%s in %q holds no login, so that podman passes it over", l.at(), f.name)
	case err != nil:
		l.Fault = wrong(host, f.drop(keys[0]), nil, "podman gives up at %s in %q, whose auth is not base64", l.at(), f.name)
	case l.Username == "" || l.Secret.IsZero():
		l.Fault = wrong(host, f.drop(keys[0]), nil, "%s in %q has no user name or no password", l.at(), f.name)
	}
	return l
}

// auth takes an entry apart. The error is ErrNoLogin where podman passes it over.
func (f *ContainersFile) auth(key string) (types.AuthConfig, error) {
	decoded, err := base64.StdEncoding.DecodeString(f.auths[key].Auth)
	if err != nil {
		return types.AuthConfig{}, err
	}
	username, password, ok := strings.Cut(string(decoded), ":")
	if !ok {
		return types.AuthConfig{}, ErrNoLogin
	}
	return types.AuthConfig{Username: username, Password: strings.Trim(password, "\x00")}, nil
}

// hostOf is the host that a key means. A path without a scheme is a repository's.
func (f *ContainersFile) hostOf(key string) string {
	bare := strings.TrimPrefix(strings.TrimPrefix(key, "http://"), "https://")
	if f.legacy || bare != key {
		bare, _, _ = strings.Cut(bare, "/")
	}
	return bare
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
		case !f.there && a.Client != Skopeo && (p.variable == "REGISTRY_AUTH_FILE" || p.variable == "DOCKER_CONFIG"):
			// podman 4.3 gives up; a newer one goes without a login.
			l.Fault = wrong(a.Host, "unset "+p.variable+", or correct it", fs.ErrNotExist, "read %q, which %s leads to", p.path, p.variable)
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
