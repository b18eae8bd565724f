package discover

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

const (
	configFile = "/.docker/config.json"
	cacheFile  = "/.ecr/cache.json" // of Amazon's helper
	oldHelper  = "ecr-login"
)

var errBroken = errors.New("is not JSON, so that docker does not read it either")

// findEngine finds the host's own engine, and one that runs without root for the
// caller.
func (h *host) findEngine() {
	h.engineRuns = h.isSocket("/run/docker.sock")
	h.engineInstalled = h.engineRuns || slices.ContainsFunc([]string{"/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"}, h.there)
	run := h.Getenv("XDG_RUNTIME_DIR")
	h.ownEngine = h.Getenv("DOCKER_HOST") != "" || path.IsAbs(run) && h.isSocket(path.Join(run, "docker.sock"))
}

func (h *host) isSocket(path string) bool {
	info, err := os.Lstat(h.at(path))
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

// hostOf takes the registry out of a key of auths, which may be an address.
func hostOf(key string) (registry.Registry, bool) {
	name := strings.ToLower(key)
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	name, _, _ = strings.Cut(name, "/")
	r, err := registry.Parse(name)
	return r, err == nil
}

// named is what may be the name of a registry, anywhere in a text.
var named = regexp.MustCompile(`\b[0-9]{12}\.dkr[.-]ecr[a-z0-9.-]+|\b(?:public\.ecr\.aws|ecr-public\.aws\.com)\b`)

func registriesIn(text string) []registry.Registry {
	var all []registry.Registry
	for _, name := range named.FindAllString(text, -1) {
		if r, ok := hostOf(strings.TrimRight(name, ".")); ok && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// dockerConfig notes the registries of an account's config.json, and those that
// Amazon's helper has been asked for. Of a login only its name is taken.
func (t *tree) dockerConfig() {
	for _, r := range registriesIn(t.read(cacheFile)) {
		t.mention(r, place{path: t.shown(cacheFile)}, t.owner.Name)
	}
	at := place{path: t.shown(configFile)}
	text := t.read(configFile)
	if text == "" {
		return
	}
	var f struct {
		Auths                      map[string]json.RawMessage
		CredHelpers                map[string]string
		CredsStore, CurrentContext string
	}
	if json.Unmarshal([]byte(text), &f) != nil {
		t.missed(at.path, errBroken)
		return
	}
	old := false
	for _, key := range slices.Sorted(maps.Keys(f.CredHelpers)) {
		if r, ok := hostOf(key); ok {
			old = old || f.CredHelpers[key] == oldHelper
			t.mention(r, at, t.owner.Name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Auths)) {
		if r, ok := hostOf(key); ok {
			t.mention(r, at, t.owner.Name)
		}
	}
	if old {
		t.oldEntries = append(t.oldEntries, at)
	}
	if f.CredsStore == oldHelper {
		t.oldStores = append(t.oldStores, at)
	}
	t.ownEngine = t.ownEngine || f.CurrentContext != "" && f.CurrentContext != "default"
}

// images notes the registries of the images that the engine has. An engine with
// containerd's image store keeps no such file.
func (t *tree) images() {
	for _, driver := range t.list("/var/lib/docker/image") {
		file := path.Join(driver, "repositories.json")
		for _, r := range registriesIn(t.read(file)) {
			if !r.Public { // an image of ECR Public asks for no login
				t.mention(r, place{path: file}, "")
			}
		}
	}
}
