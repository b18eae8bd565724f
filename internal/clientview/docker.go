package clientview

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// DockerFile is the content of a config.json as docker sees it: docker's own loader
// has decided what can be read. Safe for concurrent use.
type DockerFile struct {
	name   string
	config *configfile.ConfigFile
	raw    map[string]types.AuthConfig // the entries before "auth" is taken apart
	lines  map[[2]string]int

	fault  *fault.Error // why docker gives up the file, without hosts; nil when it does not
	before int          // the first version of docker that does not give it up; 0 for none
	bad    []string     // the keys of entries at which docker stops, in order
}

// ReadDocker reads a config.json. Name is its path, for texts.
func ReadDocker(name string, content []byte) *DockerFile {
	f := &DockerFile{name: name, config: configfile.New(name), raw: map[string]types.AuthConfig{}}
	err := f.config.LoadFromReader(bytes.NewReader(content))
	// What docker goes on with after an error is what has been filled in by then.
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		f.old(content)
	case errors.As(err, &wrongType):
		f.fault = shape("docker", name, content, wrongType)
	default:
		for _, key := range entries(content) {
			f.raw[key.name] = key.AuthConfig
			if _, err := alone(key.AuthConfig); err != nil {
				f.bad = append(f.bad, key.name)
			}
		}
		if len(f.bad) == 0 {
			f.fault = notJSON("docker gives up", name, content)
			return f
		}
	}
	f.lines = lines(content)
	return f
}

// entry is one of auths.
type entry struct {
	name string
	types.AuthConfig
}

// entries decodes auths as docker does, and leaves "auth" as it is. The keys are in order.
func entries(content []byte) []entry {
	var file struct {
		Auths map[string]types.AuthConfig `json:"auths"`
	}
	if json.NewDecoder(bytes.NewReader(content)).Decode(&file) != nil {
		return nil
	}
	all := make([]entry, 0, len(file.Auths))
	for name, e := range file.Auths {
		all = append(all, entry{name, e})
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return all
}

// alone is what docker's loader makes of an entry in a file of its own.
func alone(e types.AuthConfig) (types.AuthConfig, error) {
	const host = "alone"
	content, err := json.Marshal(map[string]any{"auths": map[string]any{host: e}})
	if err != nil {
		return e, err
	}
	config := configfile.New("")
	err = config.LoadFromReader(bytes.NewReader(content))
	return config.AuthConfigs[host], err
}

// dockerHub is the key of docker's own registry.
const dockerHub = "https://index.docker.io/v1/"

// dockerKey is the key under which docker looks for a host.
func dockerKey(host string) string {
	if host == "docker.io" || host == "index.docker.io" {
		return dockerHub
	}
	return host
}

// HasAuth reports whether the file says anything about logins. Where it does not, docker
// looks for a default credential store.
func (f *DockerFile) HasAuth() bool { return f.config.ContainsAuth() }

// Login says what docker does for the host by this file alone. Neither variables nor
// the programs of helpers are looked at.
func (f *DockerFile) Login(host string) Login {
	key := dockerKey(host)
	found := f.entry(host, key)
	helper, own := f.config.CredentialHelpers[key]
	place := f.place("credHelpers", key)
	if !own {
		helper, place = f.config.CredentialsStore, f.place("credsStore")
	}
	if helper == "" {
		if own && f.config.CredentialsStore != "" {
			found.hides(f.place("credsStore"))
		}
		return found
	}
	l := Login{Place: place, Helper: helper, Notes: found.Notes}
	if own && f.config.CredentialsStore != "" {
		l.hides(f.place("credsStore"))
	}
	l.hides(found.Place)
	l.hides(found.Hidden...)
	if found.Username != "" {
		l.Behind = &found
	}
	f.warn(&l)
	return l
}

// entry says what docker takes from auths.
func (f *DockerFile) entry(host, key string) Login {
	keys := f.keys(key)
	if len(keys) == 0 {
		return f.missing(host)
	}
	l := Login{Place: f.place("auths", keys[0])}
	chosen, err := f.auth(keys[0])
	l.Username, l.Secret = chosen.Username, login.NewSecret(chosen.Password)
	for _, other := range keys[1:] {
		if keys[0] == key {
			l.hides(f.place("auths", other))
			continue
		}
		// Without an exact key docker takes any that means the host.
		if e, _ := f.auth(other); e.Username != chosen.Username || e.Password != chosen.Password {
			l.hides(f.place("auths", other))
			l.Chance = true
		}
	}
	switch {
	case f.fault != nil && f.before == 0 && l.Username == "":
		l.Fault = f.about(host)
	case err != nil && l.Username == "":
		l.Fault = f.badEntry(host, keys[0])
	case l.Chance:
		l.Fault = f.doubles(host, l)
	case len(f.bad) > 0 && err == nil && f.raw[keys[0]].Auth != "":
		l.Chance = true
		l.Fault = f.badEntry(host, f.bad[0])
	case chosen.RegistryToken != "" || l.Username == "" || l.Secret.IsZero():
		l.Fault = f.unusable(host, keys[0], l, chosen)
	case f.fault != nil && f.before > 0:
		l.Fault, l.Before = f.about(host), f.before
	}
	if l.Fault == nil {
		f.warn(&l)
	}
	return l
}

// auth is what docker makes of an entry, unless another stops it.
func (f *DockerFile) auth(key string) (types.AuthConfig, error) {
	if len(f.bad) > 0 {
		return alone(f.raw[key])
	}
	return f.config.AuthConfigs[key], nil
}

// keys are the keys of auths that mean the host, the one that docker takes first. With
// the exact one there, docker takes that; without, any of them.
func (f *DockerFile) keys(host string) []string {
	var exact, others []string
	for key := range f.config.AuthConfigs {
		switch {
		case key == host:
			exact = []string{key}
		case credentials.ConvertToHostname(key) == host:
			others = append(others, key)
		}
	}
	slices.Sort(others)
	return append(exact, others...)
}

func (f *DockerFile) place(path ...string) Place { return placeOf(f.name, f.lines, path...) }
