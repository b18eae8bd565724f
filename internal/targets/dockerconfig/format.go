package dockerconfig

import (
	"os"
	"path/filepath"
	"strconv"

	"ecr-refreshd/internal/clientview"
)

// format is what tells the two kinds of files apart: docker's config.json, and the auth.json
// of podman, buildah, skopeo and CRI-O. The JSON that matters here is the same.
type format struct {
	client string // whose file it is, for texts
	read   func(path string, content []byte) view
	makes  int    // how many directories on the way are made
	vars   string // what moves the file, besides HOME
	// standard is where the client looks for its file, and the variable that says so.
	standard func(user string) (path, variable string)
}

// view is how the client sees the content of a file.
type view interface {
	Login(host string) clientview.Login
}

var docker = &format{
	client:   "docker",
	read:     func(path string, content []byte) view { return clientview.ReadDocker(path, content) },
	makes:    1, // .docker in a home
	vars:     "DOCKER_CONFIG",
	standard: dockerPath,
}

var containers = &format{
	client:   "podman",
	read:     func(path string, content []byte) view { return clientview.ReadContainers(path, content) },
	makes:    2, // .config/containers in a home; containers/0 in /run, which is empty after a boot
	vars:     "XDG_RUNTIME_DIR",
	standard: containersPath,
}

func dockerPath(user string) (path, variable string) {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" && user == "" {
		return filepath.Join(dir, "config.json"), "DOCKER_CONFIG"
	}
	return "~/.docker/config.json", ""
}

// sessions has a directory for each account that is logged in, which comes and goes with that.
var sessions = "/run/user"

// rootsContainers is where root's podman looks first. It is gone after a reboot.
const rootsContainers = "/run/containers/0/auth.json"

// containersPath is where podman looks for its file. Of an account it is the second that
// podman looks at: the first, in /run/user, is there only while the account is logged in,
// and is not looked at by what cron, sudo or a service starts.
func containersPath(user string) (path, variable string) {
	switch file, dir := os.Getenv("REGISTRY_AUTH_FILE"), os.Getenv("XDG_RUNTIME_DIR"); {
	case user == "" && file != "":
		return file, "REGISTRY_AUTH_FILE"
	case user == "root", user == "" && os.Geteuid() == 0:
		return rootsContainers, ""
	case user == "" && dir != "":
		return filepath.Join(dir, "containers", "auth.json"), "XDG_RUNTIME_DIR"
	}
	return "~/.config/containers/auth.json", ""
}

// ahead is the file that podman looks at before an account's own: what `podman login` in a
// session has written, until that session ends.
func (w site) ahead() string {
	uid := os.Geteuid()
	if w.as != nil {
		uid = w.as.UID
	}
	path := filepath.Join(sessions, strconv.Itoa(uid), "containers", "auth.json")
	if w.format != containers || !w.standard || path == w.path {
		return ""
	}
	return path
}
