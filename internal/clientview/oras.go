package clientview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
)

// orasFile is the content of a config.json as oras's library sees it: of the file it
// reads no more than the logins, and of these only the one that it needs.
type orasFile struct {
	content
	auths   map[string]json.RawMessage
	store   string
	helpers map[string]string
}

func readORAS(name string, data []byte) *orasFile {
	f := &orasFile{content: content{client: "oras", name: name}}
	var top map[string]json.RawMessage // unlike docker's, the names of keys count with their case
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&top)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return f
	case errors.As(err, &wrongType):
		f.fault = shape("oras", name, data, wrongType)
		return f
	case err != nil:
		f.fault = notJSON("oras", name, data)
		return f
	}
	f.lines = lines(data)
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

// login says what oras does for the host by this file alone. The fault's cause is
// ErrNoLogin where helm looks on.
func (f *orasFile) login(host string) Login {
	if f.fault != nil {
		return Login{Fault: f.about(host)}
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
	keys := keysOf(f.auths, key, meaning(f.auths, key, func(key string) string {
		host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(key, "http://"), "https://"), "/")
		return host
	}))
	if len(keys) == 0 {
		return Login{Fault: wrong(host, "log in to "+host, ErrNoLogin, "find the login of %q in %q", host, f.name)}
	}
	l, e, err := f.pick(host, key, keys, f.auth)
	switch {
	case l.Chance:
	case err != nil:
		l.Fault = wrong(host, f.drop(keys[0]), nil, "oras gives up at %s in %q, which is no entry that can be read", l.at(), f.name)
	case e == types.AuthConfig{ServerAddress: e.ServerAddress}:
		l.Fault = wrong(host, f.drop(keys[0]), ErrNoLogin, "%s in %q holds no login", l.at(), f.name)
	case e.RegistryToken != "" || e.IdentityToken != "" || e.Username == "" || e.Password == "":
		l.Fault = wrong(host, f.drop(keys[0]), nil, "%s in %q holds a token, or no login with user name and password", l.at(), f.name)
	}
	return l
}

// auth takes an entry apart as docker's loader does, which is how oras does it, too.
func (f *orasFile) auth(key string) (types.AuthConfig, error) {
	var e types.AuthConfig
	err := json.Unmarshal(f.auths[key], &e)
	if err == nil {
		e, err = alone(e)
	}
	if err != nil {
		return types.AuthConfig{}, err
	}
	return e, nil
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
