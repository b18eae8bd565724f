package clientview

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// regctlHost is what regctl knows about the login of one registry. It is put together
// from one file after the other, key by key.
type regctlHost struct {
	user, password, token string
	helper, store         string // programs; that of store is used if it lists the host
	loginAt, helperAt     Place
	storeAt               Place
	asks                  string  // what the helper is asked for, where that is not the host
	plain                 []Place // keys that make it speak HTTP without TLS
	hidden, chance        []Place
}

// merge puts what a later file says over h, as regclient's Host.Merge does.
func (h *regctlHost) merge(n regctlHost) {
	if n.helper == "" && (n.password != "" || h.token != "") || n.helper != "" {
		h.hide(h.helper != "", h.helperAt)
		h.hide(h.store != "", h.storeAt)
		h.helper, h.store = "", ""
	}
	alone := n.helper != "" && n.user == "" && n.password == "" && n.token == ""
	if alone || n.password != "" || n.token != "" {
		h.hide(h.password != "" || h.token != "", h.loginAt)
		h.chance = nil
	}
	if alone {
		h.user, h.password, h.token = "", "", ""
	}
	if n.user != "" || n.password != "" || n.token != "" {
		h.loginAt = n.loginAt
	}
	if n.helper != "" {
		h.helper, h.helperAt = n.helper, n.helperAt
	}
	if n.store != "" {
		h.store, h.storeAt = n.store, n.storeAt
	}
	for _, key := range []struct{ to, from *string }{{&h.user, &n.user}, {&h.password, &n.password}, {&h.token, &n.token}, {&h.asks, &n.asks}} {
		if *key.from != "" {
			*key.to = *key.from
		}
	}
	h.hidden = append(h.hidden, n.hidden...)
	h.chance = append(h.chance, n.chance...)
	h.plain = append(h.plain, n.plain...)
}

func (h *regctlHost) hide(there bool, p Place) {
	if there {
		h.hidden = append(h.hidden, p)
	}
}

// regctlRegistry is the registry that a key of docker's file means to regctl, and whether it
// takes the key: not one with a path.
func regctlRegistry(key string) (host string, ok bool) {
	if key == dockerHub || key == "registry-1.docker.io" || key == "docker.io" {
		return "docker.io", true
	}
	scheme, bare, found := strings.Cut(key, "://")
	if !found {
		scheme, bare = "https", key
	}
	host, path, _ := strings.Cut(bare, "/")
	return host, path == "" && (scheme == "https" || scheme == "http")
}

// regctlDocker reads a docker configuration, or DOCKER_AUTH_CONFIG, as regctl does. It
// returns what it says about the host, in the order in which it counts.
func regctlDocker(c *content, data []byte, host string) (found []regctlHost) {
	var file struct {
		Auths   map[string]types.AuthConfig `json:"auths"`
		Headers map[string]string           `json:"HttpHeaders"`
		Detach  string                      `json:"detachKeys"`
		Store   string                      `json:"credsStore"`
		Helpers map[string]string           `json:"credHelpers"`
		Proxies map[string]struct {
			HTTP, HTTPS, FTP, All string
			No                    string `json:"noProxy"`
		} `json:"proxies"`
	}
	if !c.decode(data, &file) {
		return nil
	}
	meant := func(key string) bool { name, ok := regctlRegistry(key); return ok && name == host }
	var group []regctlHost
	for _, key := range slices.Sorted(maps.Keys(file.Auths)) {
		e, err := alone(file.Auths[key])
		helper := file.Helpers[key]
		if !meant(key) || err != nil || (e.Username == "" || e.Password == "") && e.IdentityToken == "" && helper == "" {
			continue // and its helper with it
		}
		h := regctlHost{user: e.Username, password: e.Password, token: e.IdentityToken, loginAt: c.place("auths", key)}
		if helper != "" {
			h.helper, h.helperAt = helperPrefix+helper, c.place("credHelpers", key)
		}
		group = append(group, h.asking(key, host))
	}
	found = append(found, one(group)...)
	group = nil
	for _, key := range slices.Sorted(maps.Keys(file.Helpers)) {
		if _, has := file.Auths[key]; !has && meant(key) {
			h := regctlHost{helper: helperPrefix + file.Helpers[key], helperAt: c.place("credHelpers", key)}
			group = append(group, h.asking(key, host))
		}
	}
	found = append(found, one(group)...)
	if file.Store != "" {
		found = append(found, regctlHost{store: helperPrefix + file.Store, storeAt: c.place("credsStore")})
	}
	return found
}

// asking notes what a helper is asked for.
func (h regctlHost) asking(key, host string) regctlHost {
	if key != host && host != "docker.io" {
		h.asks = key
	}
	if strings.HasPrefix(key, "http:") {
		h.plain = []Place{cmp.Or(h.loginAt, h.helperAt)}
	}
	return h
}

// one takes the first of several that mean the same host, and notes where they differ:
// which of them regctl reads last is chance.
func one(group []regctlHost) []regctlHost {
	if len(group) < 2 {
		return group
	}
	first := group[0]
	for _, h := range group[1:] {
		if h.user != first.user || h.password != first.password || h.token != first.token || h.helper != first.helper {
			first.chance = append(first.chance, h.loginAt)
			first.hide(h.helper != "", h.helperAt)
		}
		first.plain = append(first.plain, h.plain...)
	}
	return []regctlHost{first}
}

// decode reads the first JSON value of data, which may be empty, and says why that fails.
func (c *content) decode(data []byte, into any) bool {
	err := json.NewDecoder(bytes.NewReader(data)).Decode(into)
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		c.lines = lines(data)
	case errors.Is(err, io.EOF):
	case errors.As(err, &wrongType):
		c.fault = shape(c.client, c.name, data, wrongType)
	default:
		c.fault = notJSON(c.client, c.name, data)
	}
	return err == nil
}

// regctlFile is regctl's own file: of the keys that it has, those that matter here, and the
// shape of the others.
type regctlFile struct {
	Version    int                     `json:"version"`
	Hosts      map[string]*regctlEntry `json:"hosts"`
	Default    *regctlEntry            `json:"hostDefault"`
	BlobLimit  int64                   `json:"blobLimit"`
	DockerCert *bool                   `json:"incDockerCert"`
	DockerCred *bool                   `json:"incDockerCred"`
}

type regctlEntry struct {
	User       string `json:"user"`
	Password   string `json:"pass"`
	Token      string `json:"token"`
	CredHelper string `json:"credHelper"`
	CredHost   string `json:"credHost"`
	Hostname   string `json:"hostname"`
}

func (e *regctlEntry) host(c *content, host string, path ...string) regctlHost {
	h := regctlHost{user: e.User, password: e.Password, token: e.Token, helper: e.CredHelper, loginAt: c.place(path...)}
	h.helperAt = h.loginAt
	h.helperAt.Key += ".credHelper"
	if h.asks = e.CredHost; h.asks == "" && e.Hostname != host {
		h.asks = e.Hostname
	}
	return h
}

// regctlPath is where regctl keeps its own logins.
func (e Eye) regctlPath() (path, variable string) {
	if path := e.getenv("REGCTL_CONFIG"); path != "" {
		return path, "REGCTL_CONFIG"
	}
	path = e.configPath("regctl/config.json")
	if _, err := e.stat(path); err == nil {
		return path, ""
	}
	return filepath.Join(e.home(), ".regctl", "config.json"), ""
}

// regctl answers for regctl and all that is built on regclient: docker's file, what
// DOCKER_AUTH_CONFIG has over it, and regctl's own file over both. A helper that gives no
// login, for whatever reason, leaves the one that is in a file.
func (e Eye) regctl(a *Answer) {
	ownPath, by := e.regctlPath()
	own := &content{client: "regctl", name: ownPath}
	var file regctlFile
	read := e.read(a.Host, by, ownPath)
	if own.fault = read.fault; own.fault == nil && read.there && !own.decode(read.content, &file) {
		file = regctlFile{}
	}
	path, variable := e.dockerPath(Docker)
	a.File = path
	var h *regctlHost
	var broken *fault.Error
	if file.DockerCred == nil || *file.DockerCred {
		h, broken = e.regctlOfDocker(a.Host, variable, path)
	} else {
		a.File = ownPath
	}
	defaults := func() *regctlHost {
		h := &regctlHost{}
		if file.Default != nil {
			h.merge(file.Default.host(own, a.Host, "hostDefault"))
		}
		return h
	}
	if mine := file.Hosts[a.Host]; mine != nil {
		if h == nil {
			h = defaults()
		}
		h.merge(mine.host(own, a.Host, "hosts", a.Host))
	}
	for _, key := range slices.Sorted(maps.Keys(file.Hosts)) {
		if name, _ := regctlRegistry(key); key == a.Host || name != a.Host || file.Hosts[key] == nil {
			continue
		}
		other := defaults()
		other.merge(file.Hosts[key].host(own, a.Host, "hosts", key))
		if h == nil {
			h = other
		} else {
			h.chance = append(h.chance, other.loginAt)
		}
	}
	if h == nil {
		h = defaults()
	}
	a.Login = h.login(a.Host)
	switch {
	case broken != nil && a.NoLogin():
		a.Fault = broken
	case broken != nil:
		a.note("%s; regctl warns of it, and this host is not concerned", broken)
	case a.NoLogin():
		a.Fault = wrong(a.Host, fmt.Sprintf("log in to %s, or run `ecr-refreshd configure-docker`", a.Host), ErrNoLogin, "find the login of %q in %q", a.Host, a.File)
	}
	if own.fault != nil {
		a.note("regctl passes its own file over: %s", own.fault)
	}
	e.askOfRegctl(a)
	if a.Place.File != "" {
		a.File = a.Place.File
	}
}

// regctlOfDocker is what docker's file and DOCKER_AUTH_CONFIG say about the host; nil for
// nothing. If one of the two cannot be read, neither counts.
func (e Eye) regctlOfDocker(host, variable, path string) (h *regctlHost, broken *fault.Error) {
	docker := &content{client: "regctl", name: path}
	read := e.read(host, variable, path)
	found := []regctlHost{}
	if docker.fault = read.fault; docker.fault == nil && read.there {
		found = regctlDocker(docker, read.content, host)
	}
	text := &content{client: "regctl", name: authVariable}
	if value := e.getenv(authVariable); value != "" {
		found = append(found, regctlDocker(text, []byte(value), host)...)
	}
	for _, c := range []*content{docker, text} {
		if c.fault != nil {
			return nil, c.about(host)
		}
	}
	for _, n := range found {
		if h == nil {
			h = &regctlHost{}
		}
		h.merge(n)
	}
	return h, nil
}

// login is what regctl does with all that it knows.
func (h *regctlHost) login(host string) Login {
	entry := Login{Place: h.loginAt}
	switch {
	case h.user != "" && h.password != "":
		entry.Username, entry.Secret = h.user, login.NewSecret(h.password)
	case h.token != "":
		entry.Fault = wrong(host, "delete it from "+h.loginAt.File, nil, "%s holds a token, and no login with user name and password", h.loginAt)
	default:
		entry.Place = Place{}
		entry.Fault = wrong(host, "log in to "+host, ErrNoLogin, "find a login of %q", host)
	}
	if len(h.chance) > 0 {
		entry.hides(h.chance...)
		entry.Chance = true
		entry.Fault = wrong(host, fmt.Sprintf("delete all of them but one, and name that %q", host), nil,
			"regctl takes the login of %q at random from %s", host, list(append([]Place{h.loginAt}, h.chance...)))
	}
	l := entry
	for _, p := range []struct {
		program string
		at      Place
	}{{h.helper, h.helperAt}, {h.store, h.storeAt}} {
		if p.program == "" {
			continue
		}
		asked := Login{Place: p.at, Helper: strings.TrimPrefix(p.program, helperPrefix), program: p.program}
		asked.hides(l.Place)
		asked.hides(l.Hidden...)
		if l.Helper != "" || l.Username != "" {
			behind := l
			asked.Behind = &behind
		}
		l = asked
	}
	l.hides(h.hidden...)
	if len(h.plain) > 0 {
		l.note("regctl may speak HTTP without TLS because of %s", list(h.plain))
	}
	if h.asks != "" && l.Helper != "" && !strings.HasSuffix(strings.TrimSuffix(h.asks, "/"), "://"+host) {
		l.note("regctl asks the helper for %q", printable(h.asks))
	}
	return l
}

// askOfRegctl looks for the program of the helper. One that is not there is passed over.
func (e Eye) askOfRegctl(a *Answer) {
	for e.ask(a); a.Helper != "" && a.Program.State != Found && a.Behind != nil; e.ask(a) {
		notes := append(a.Notes, fmt.Sprintf("regctl passes over the credential helper %q, which %s names: it is %s", printable(a.Program.Name), a.at(), a.Program.State))
		a.Program, a.Login = Program{}, *a.Behind
		a.Notes = append(notes, a.Notes...)
	}
}
