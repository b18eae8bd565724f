package clientview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// orasFile is the content of a config.json as oras's library sees it: of the file it
// reads no more than the logins, and of these only the one that it needs.
type orasFile struct {
	name    string
	auths   map[string]json.RawMessage
	store   string
	helpers map[string]string
	lines   map[[2]string]int
	fault   *fault.Error // why it gives up, without hosts
}

func readORAS(name string, content []byte) *orasFile {
	f := &orasFile{name: name}
	var top map[string]json.RawMessage // unlike docker's, the names of keys count with their case
	err := json.NewDecoder(bytes.NewReader(content)).Decode(&top)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return f
	case errors.As(err, &wrongType):
		f.fault = shape("oras", name, content, wrongType)
		return f
	case err != nil:
		f.fault = notJSON("oras gives up", name, content)
		return f
	}
	f.lines = lines(content)
	for _, part := range []struct {
		key  string
		into any
	}{{"auths", &f.auths}, {"credsStore", &f.store}, {"credHelpers", &f.helpers}} {
		raw, there := top[part.key]
		if there && json.Unmarshal(raw, part.into) != nil {
			p := f.place(part.key)
			f.fault = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("oras gives up %q at %s, which has the wrong shape", name, p.at()),
				Hint: fmt.Sprintf("correct or delete %s in %s", p.at(), name)}
			return f
		}
	}
	return f
}

func (f *orasFile) hasAuth() bool { return f.store != "" || len(f.helpers) > 0 || len(f.auths) > 0 }

func (f *orasFile) place(path ...string) Place { return placeOf(f.name, f.lines, path...) }

// login says what oras does for the host by this file alone. The fault's cause is
// ErrNoLogin where helm looks on.
func (f *orasFile) login(host string) Login {
	if f.fault != nil {
		e := *f.fault
		e.Hosts = []string{host}
		return Login{Fault: &e}
	}
	key := dockerKey(host)
	found := f.entry(host, key)
	helper, place := f.helpers[key], f.place("credHelpers", key)
	if helper == "" {
		helper, place = f.store, f.place("credsStore")
	}
	if helper == "" {
		return found
	}
	l := Login{Place: place, Helper: helper}
	if f.store != "" {
		if store := f.place("credsStore"); store != place {
			l.hides(store)
		}
	}
	l.hides(found.Place)
	l.hides(found.Hidden...)
	return l
}

func (f *orasFile) entry(host, key string) Login {
	var keys []string
	for name := range f.auths {
		bare := strings.TrimPrefix(strings.TrimPrefix(name, "http://"), "https://")
		if bare, _, _ = strings.Cut(bare, "/"); name != key && bare == key {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	_, exact := f.auths[key]
	if exact {
		keys = slices.Insert(keys, 0, key)
	}
	if len(keys) == 0 {
		return Login{Fault: wrong(host, "log in to "+host, ErrNoLogin, "find the login of %q in %q", host, f.name)}
	}
	l := Login{Place: f.place("auths", keys[0])}
	for _, other := range keys[1:] {
		if l.Chance = l.Chance || !exact && !bytes.Equal(f.auths[other], f.auths[keys[0]]); exact || l.Chance {
			l.hides(f.place("auths", other))
		}
	}
	hint := fmt.Sprintf("delete the entry %q under \"auths\" in %s", printable(keys[0]), f.name)
	var raw types.AuthConfig
	err := json.Unmarshal(f.auths[keys[0]], &raw)
	var e types.AuthConfig
	if err == nil {
		e, err = alone(raw)
		l.Username, l.Secret = e.Username, login.NewSecret(e.Password)
	}
	switch {
	case l.Chance:
		l.Fault = wrong(host, fmt.Sprintf("delete all of them but one, and name that %q", host), nil,
			"oras takes the login of %q at random from %s in %q", host, list(append([]Place{l.Place}, l.Hidden...)), f.name)
	case err != nil:
		l.Username, l.Secret = "", login.Secret{}
		l.Fault = wrong(host, hint, nil, "oras gives up at %s in %q, which is no entry that can be read", l.at(), f.name)
	case e == types.AuthConfig{ServerAddress: e.ServerAddress}:
		l.Fault = wrong(host, hint, ErrNoLogin, "%s in %q holds no login", l.at(), f.name)
	case e.RegistryToken != "" || e.IdentityToken != "" || e.Username == "" || e.Password == "":
		l.Fault = wrong(host, hint, nil, "%s in %q holds a token, or no login with user name and password", l.at(), f.name)
	}
	return l
}

// orasStore answers for a file, or for the default credential store where that says
// nothing about logins.
func (e Eye) orasStore(host, variable, path string) (l Login, configured bool) {
	read := e.read(host, variable, path)
	if read.fault != nil {
		return Login{Fault: read.fault}, true
	}
	f := readORAS(path, read.content)
	if helper := e.defaultStore(); helper != "" && f.fault == nil && !f.hasAuth() {
		return Login{Place: Place{Key: "the default credential store"}, Helper: helper}, false
	}
	return f.login(host), f.fault != nil || f.hasAuth()
}

// oras answers for oras, which reads docker's file; for helm, which reads its own
// first and then docker's; and for notation, which reads one or the other.
func (e Eye) oras(a *Answer) {
	docker, variable := e.dockerPath(Docker)
	ofDocker, _ := e.orasStore(a.Host, variable, docker)
	path, l := docker, ofDocker
	switch a.Client {
	case Helm:
		var by string
		path, by = e.helmPath()
		l, _ = e.orasStore(a.Host, by, path)
		broken := ofDocker.Fault != nil && ofDocker.Helper == "" && ofDocker.Place == Place{} && !ofDocker.NoLogin()
		switch {
		case broken:
			l.note("helm passes docker's file over: %s", ofDocker.Fault)
		case l.NoLogin() && (ofDocker.Helper != "" || !ofDocker.NoLogin()):
			path, l = docker, ofDocker
		case l.Fault == nil || l.Helper != "":
			both := []Login{l, ofDocker}
			chain(a, both)
			l = both[0]
		}
	case Notation:
		own, configured := e.orasStore(a.Host, "", e.configPath("notation/config.json"))
		if configured {
			path, l = e.configPath("notation/config.json"), own
		}
	}
	a.File, a.Login = path, l
	e.ask(a)
}

// helmPath is where helm keeps its own logins.
func (e Eye) helmPath() (path, variable string) {
	if path := e.getenv("HELM_REGISTRY_CONFIG"); path != "" {
		return path, "HELM_REGISTRY_CONFIG"
	}
	if dir := e.getenv("HELM_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "registry/config.json"), "HELM_CONFIG_HOME"
	}
	return e.configPath("helm/registry/config.json"), ""
}
