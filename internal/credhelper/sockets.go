package credhelper

import "strings"

// systemSocket is where a daemon that runs as a service of the system listens.
const systemSocket = "/run/ecr-refreshd/ecr-refreshd.sock"

// Sockets gives the paths at which a client with the effective user id uid looks
// for the daemon, in order: the first at which somebody listens is the one.
// $ECR_REFRESHD_SOCKET stands alone. Root never follows $XDG_RUNTIME_DIR, which
// sudo and su may have left pointing at another user's directory.
func Sockets(getenv func(string) string, uid int) []string {
	if path := getenv("ECR_REFRESHD_SOCKET"); path != "" {
		return []string{path}
	}
	// By the XDG specification a relative path counts as none.
	if dir := getenv("XDG_RUNTIME_DIR"); uid != 0 && strings.HasPrefix(dir, "/") {
		return []string{strings.TrimRight(dir, "/") + "/ecr-refreshd/ecr-refreshd.sock", systemSocket}
	}
	return []string{systemSocket}
}
