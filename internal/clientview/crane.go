package clientview

import (
	"fmt"
	"path/filepath"
)

// cranePath is the file that go-containerregistry reads: docker's if there is one
// anywhere, else podman's. Variable is what led to it.
func (e Eye) cranePath() (path, variable string) {
	docker, variable := e.dockerPath(Docker)
	if e.isFile(filepath.Join(e.home(), ".docker", "config.json")) || e.isFile(docker) {
		return docker, variable
	}
	if path := e.getenv("REGISTRY_AUTH_FILE"); e.isFile(path) {
		return path, "REGISTRY_AUTH_FILE"
	}
	if dir := e.getenv("XDG_RUNTIME_DIR"); dir != "" {
		if path := filepath.Join(dir, "containers/auth.json"); e.isFile(path) {
			return path, "XDG_RUNTIME_DIR"
		}
	}
	if path := e.configPath("containers/auth.json"); e.isFile(path) {
		return path, ""
	}
	return docker, variable
}

func (e Eye) isFile(path string) bool {
	if path == "" {
		return false
	}
	info, err := e.stat(path)
	return err == nil && !info.IsDir()
}

// crane answers for the family of go-containerregistry: crane, ko, cosign, kaniko. It
// reads with docker's loader, but gives up where docker warns and goes on. It looks for
// the repository's name first, and that goes to credsStore whatever credHelpers says.
func (e Eye) crane(a *Answer) {
	path, variable := e.cranePath()
	a.File = path
	if !e.isFile(path) && filepath.IsAbs(path) && !e.isFile(filepath.Join(e.home(), ".docker", "config.json")) {
		a.Login = ReadDocker(path, nil).Login(a.Host) // it sends nothing, whatever the variables say
		return
	}
	read := e.read(a.Host, variable, path)
	f := ReadDocker(path, read.content)
	a.Login = f.Login(a.Host)
	a.Behind = nil // a helper that fails is the end
	switch {
	case read.fault != nil:
		a.Login = Login{Fault: read.fault}
		return
	case f.fault != nil && f.before == 0:
		a.Login = Login{Place: a.Place, Fault: f.about(a.Host)}
		return
	case len(f.bad) > 0:
		a.Login = Login{Place: a.Place, Fault: f.badEntry(a.Host, f.bad[0])}
		return
	}
	e.overrule(a)
	store := f.config.CredentialsStore
	if store != "" && (a.Helper != store || a.Key != keyText([]string{"credsStore"})) {
		a.Ahead = e.program(helperPrefix + store)
	}
	e.ask(a)
	if a.Ahead.Name != "" && a.Ahead.State != Found {
		place := f.place("credsStore")
		a.Username, a.Secret = "", Login{}.Secret
		a.Fault = wrong(a.Host, fmt.Sprintf("install %s in a directory of PATH, or delete %s from %s", printable(a.Ahead.Name), place.at(), path), nil,
			"run the credential helper %q, which %s in %q names and %s asks before any other: it is %s", printable(a.Ahead.Name), place.at(), path, a.Client, a.Ahead.State)
	}
}
