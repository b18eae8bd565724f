package survey

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

// Engine is a Docker Engine.
type Engine struct {
	Host    string // as in DOCKER_HOST, without a password
	Context string // the docker context that names it; empty for the local socket
	User    string // whose context it is, or whose engine without root
	Down    bool   // it is installed, but its socket is not there
}

// local reports whether it is the host's own.
func (e Engine) local() bool { return e.User == "" }

const (
	dockerSocket = "/run/docker.sock"
	configFile   = ".docker/config.json"
	oldHelper    = "ecr-login"

	// Registries of one file, and of all. More are no configuration that a person
	// would keep.
	maxMentions, maxAllMentions = 200, 2000
)

// engines finds the host's own engine, and one that runs without root for who
// asks.
func (l *looker) engines() {
	programs := []string{"/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"}
	if runs := l.isSocket(dockerSocket); runs || slices.ContainsFunc(programs, l.exists) {
		l.s.Engines = append(l.s.Engines, Engine{Host: "unix:///var/run/docker.sock", Down: !runs})
	}
	if run := l.Getenv("XDG_RUNTIME_DIR"); l.s.Me != nil && path.IsAbs(run) && l.isSocket(path.Join(run, "docker.sock")) {
		l.s.Engines = append(l.s.Engines, Engine{Host: "unix://" + path.Join(run, "docker.sock"), User: l.s.Me.Name})
	}
}

func (l *looker) isSocket(path string) bool {
	info, err := os.Lstat(l.at(path))
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

// dockerFile is what is of interest in a config.json. Of a login only its name
// is taken.
type dockerFile struct {
	Auths          map[string]json.RawMessage
	CredHelpers    map[string]string
	CredsStore     string
	CurrentContext string
}

// parseDockerConfig reads a config.json; one that is broken says nothing, to
// docker as to us.
func parseDockerConfig(data []byte) (dockerFile, bool) {
	var f dockerFile
	return f, json.Unmarshal(data, &f) == nil
}

// hostOf takes the registry out of a key of auths, which may be an address.
func hostOf(key string) (registry.Registry, bool) {
	name := strings.ToLower(key)
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	name, _, _ = strings.Cut(name, "/")
	r, err := registry.Parse(name)
	return r, err == nil
}

// dockerConfig notes the registries of an account's config.json.
func (l *looker) dockerConfig(h *home) {
	data := h.file(configFile)
	if data == nil {
		return
	}
	at := Place{Path: h.shown(configFile)}
	f, ok := parseDockerConfig(data)
	if !ok {
		l.s.Unread = append(l.s.Unread, Unread{at.Path, "is not JSON, so that docker does not read it either"})
		return
	}
	entry := false
	for _, key := range sorted(f.CredHelpers) {
		r, ok := hostOf(key)
		switch {
		case !ok:
		case f.CredHelpers[key] == oldHelper:
			entry = true
			l.mention(r, at, ByHelper, h.Name)
		default:
			l.mention(r, at, ByLogin, h.Name)
		}
	}
	for _, key := range sorted(f.Auths) {
		if r, ok := hostOf(key); ok {
			l.mention(r, at, ByLogin, h.Name)
		}
	}
	if entry {
		l.s.Old.Entries = append(l.s.Old.Entries, at)
	}
	if f.CredsStore == oldHelper {
		l.s.Old.Stores = append(l.s.Old.Stores, at)
	}
	h.contextInUse(f.CurrentContext)
}

func (l *looker) mention(r registry.Registry, at Place, by Evidence, user string) {
	m := Mention{r, at, by, user}
	switch l.mentioned[at]++; {
	case l.mentioned[at] > maxMentions || len(l.s.Mentions) >= maxAllMentions:
		l.missed(at.String(), errMany)
	case !slices.Contains(l.s.Mentions, m):
		l.s.Mentions = append(l.s.Mentions, m)
	}
}

// oldCache notes the registries that Amazon's helper has been asked for. Its file
// holds tokens, of which nothing is taken.
func (l *looker) oldCache(h *home) {
	const name = ".ecr/cache.json"
	for _, r := range parseCache(h.file(name)) {
		l.mention(r, Place{Path: h.shown(name)}, ByHelper, h.Name)
	}
}

func parseCache(data []byte) []registry.Registry {
	var f struct {
		Registries map[string]*struct{ ProxyEndpoint string }
	}
	if json.Unmarshal(data, &f) != nil {
		return nil
	}
	var all []registry.Registry
	for _, key := range sorted(f.Registries) {
		if e := f.Registries[key]; e != nil {
			if r, ok := hostOf(e.ProxyEndpoint); ok && !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// contextInUse notes the context that an account has chosen. Docker keeps it
// under the hash of its name, so that no name leads elsewhere.
func (h *home) contextInUse(name string) {
	if name == "" || name == "default" {
		return
	}
	sum := sha256.Sum256([]byte(name))
	data := h.file(path.Join(".docker/contexts/meta", hex.EncodeToString(sum[:]), "meta.json"))
	if e, ok := parseContext(data); ok {
		e.User = h.Name
		h.s.Engines = append(h.s.Engines, e)
	}
}

// parseContext reads a docker context. What it says of its host is cut down to
// what may be shown.
func parseContext(data []byte) (Engine, bool) {
	var meta struct {
		Name      string
		Endpoints map[string]*struct{ Host string }
	}
	if json.Unmarshal(data, &meta) != nil || meta.Endpoints["docker"] == nil || !word.MatchString(meta.Name) {
		return Engine{}, false
	}
	u, err := url.Parse(meta.Endpoints["docker"].Host)
	if err != nil || !slices.Contains([]string{"unix", "tcp", "ssh"}, u.Scheme) {
		return Engine{}, false
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if _, secret := u.User.Password(); !secret {
		shown.User = u.User
	}
	return Engine{Host: shown.String(), Context: meta.Name}, true
}

// images notes the registries of the images that the engine has. An engine with
// containerd's image store keeps no such file.
func (l *looker) images() {
	if l.Own {
		return
	}
	const dir = "/var/lib/docker/image"
	for _, driver := range l.list(dir) {
		file := path.Join(driver, "repositories.json")
		for _, r := range parseImages(l.file(file)) {
			l.mention(r, Place{Path: file}, ByImage, "")
		}
	}
}

func parseImages(data []byte) []registry.Registry {
	var f struct{ Repositories map[string]json.RawMessage }
	if json.Unmarshal(data, &f) != nil {
		return nil
	}
	var all []registry.Registry
	for _, name := range sorted(f.Repositories) {
		// Anybody may pull from ECR Public: an image of it asks for no login.
		if r, ok := hostOf(name); ok && !r.Public && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// packages notes how to remove the program of Amazon's helper.
func (l *looker) packages() {
	const name, local, packaged = "amazon-ecr-credential-helper", "/usr/local/bin/docker-credential-ecr-login", "/usr/bin/docker-credential-ecr-login"
	if l.exists(packaged) {
		remove := "sudo rm " + packaged
		switch {
		case l.exists("/var/lib/dpkg/info/" + name + ".list"):
			remove = "sudo apt-get remove " + name
		case l.exists("/usr/bin/dnf"):
			remove = "sudo dnf remove " + name
		}
		l.s.Old.Remove = append(l.s.Old.Remove, remove)
	}
	if l.exists(local) {
		l.s.Old.Remove = append(l.s.Old.Remove, "sudo rm "+local)
	}
}
