package clientview

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
)

// DockerFile is the content of a config.json as docker sees it: docker's own loader
// has decided what can be read. Safe for concurrent use.
type DockerFile struct {
	content
	config *configfile.ConfigFile
	before int                         // the first version of docker that does not give the file up; 0 for none
	bad    []string                    // the keys of entries at which docker stops, in order
	keys   map[string][]string         // of entries, by the host that they mean
	raw    map[string]types.AuthConfig // all entries before "auth" is taken apart, if any docker stops before that
}

// ReadDocker reads a config.json. Name is its path, for texts.
func ReadDocker(name string, data []byte) *DockerFile {
	f := &DockerFile{content: content{client: "docker", name: name}, config: configfile.New(name)}
	err := f.config.LoadFromReader(bytes.NewReader(data))
	// What docker goes on with after an error is what has been filled in by then.
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		if f.old(data); f.before > 0 {
			f.judge(data)
		}
	case errors.As(err, &wrongType):
		f.fault = shape("docker", name, data, wrongType)
	default:
		if f.judge(data); len(f.bad) == 0 {
			f.fault = notJSON("docker", name, data)
			return f
		}
	}
	f.lines = lines(data)
	// A file may have thousands of hosts, and each is asked for.
	f.keys = make(map[string][]string, len(f.config.AuthConfigs))
	for key := range f.config.AuthConfigs {
		host := credentials.ConvertToHostname(key)
		f.keys[host] = append(f.keys[host], key)
	}
	return f
}

// judge finds the entries at which docker stops.
func (f *DockerFile) judge(data []byte) {
	var file struct {
		Auths map[string]types.AuthConfig `json:"auths"`
	}
	if json.NewDecoder(bytes.NewReader(data)).Decode(&file) != nil {
		return
	}
	f.raw = file.Auths
	for key, e := range f.raw {
		if _, err := alone(e); err != nil {
			f.bad = append(f.bad, key)
		}
	}
	slices.Sort(f.bad)
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
	keys := keysOf(f.config.AuthConfigs, key, f.keys[key])
	if len(keys) == 0 {
		return f.missing(host)
	}
	l, chosen, err := f.pick(host, key, keys, f.auth)
	switch {
	case f.fault != nil && f.before == 0 && l.Username == "":
		l.Fault = f.about(host)
	case err != nil && l.Username == "":
		l.Fault = f.badEntry(host, keys[0])
	case l.Chance:
	case len(f.bad) > 0 && err == nil && f.raw[keys[0]].Auth != "":
		l.Chance = true
		l.Fault = f.badEntry(host, f.bad[0])
	case chosen.RegistryToken != "" || l.Username == "" || l.Secret.IsZero():
		l.Fault = f.unusable(host, keys[0], l, chosen)
	case f.before > 0 && f.raw[keys[0]].Auth != "":
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
