package credhelper

import (
	"strings"
	"syscall"
)

const (
	// ownDirectory holds what the daemon needs while it runs, and socketName is the
	// name of its socket there.
	ownDirectory = "/ecr-refreshd"
	socketName   = "/ecr-refreshd.sock"
	// systemDirectory is the one of a daemon that runs as a service of the system.
	systemDirectory = "/run" + ownDirectory
	systemSocket    = systemDirectory + socketName
)

// Sockets gives the paths at which a client with the effective user id uid looks
// for the daemon, in order: the first at which somebody listens is the one.
// $ECR_REFRESHD_SOCKET stands alone. Otherwise a user's own daemon, wherever Own
// may have put it, comes before the system's. Directories that another user owns or
// may write in are passed over: whoever answers there hands out logins. Root has no own
// one beside the system's, as sudo and su may have left the variables of another.
func Sockets(getenv func(string) string, uid int) []string {
	if path := getenv("ECR_REFRESHD_SOCKET"); path != "" {
		return []string{path}
	}
	var sockets []string
	if uid != 0 {
		if dir, ok := runtimeDirectory(getenv, uid); ok && !foreign(dir, uid) {
			sockets = append(sockets, dir+socketName)
		}
		if dir, ok := cacheDirectory(getenv); ok && belongsTo(dir, uid) {
			sockets = append(sockets, dir+socketName)
		}
	}
	return append(sockets, systemSocket)
}

// Own gives the directory in which a daemon of the user uid listens and keeps
// what need not outlive it, unless it is told another: below /run for root,
// otherwise below $XDG_RUNTIME_DIR or, where there is none, the user's cache
// directory. It need not be there yet. The socket in it is called
// ecr-refreshd.sock. It reports false when the environment names no place at all.
func Own(getenv func(string) string, uid int) (dir string, ok bool) {
	if uid == 0 {
		return systemDirectory, true
	}
	if dir, ok := runtimeDirectory(getenv, uid); ok {
		return dir, true
	}
	return cacheDirectory(getenv)
}

// runtimeDirectory is ours in $XDG_RUNTIME_DIR, which by its specification is the
// user's own, and there as long as the user is logged in.
func runtimeDirectory(getenv func(string) string, uid int) (string, bool) {
	dir, ok := absolute(getenv("XDG_RUNTIME_DIR"))
	return dir + ownDirectory, ok && belongsTo(dir, uid)
}

func cacheDirectory(getenv func(string) string) (string, bool) {
	if dir, ok := absolute(getenv("XDG_CACHE_HOME")); ok {
		return dir + ownDirectory, true
	}
	home, ok := absolute(getenv("HOME"))
	return home + "/.cache" + ownDirectory, ok
}

// absolute gives dir without slashes at its end. By the XDG specification a
// relative path counts as none.
func absolute(dir string) (string, bool) {
	return strings.TrimRight(dir, "/"), strings.HasPrefix(dir, "/")
}

// belongsTo reports whether dir is there, the user uid's, and nobody else's to
// write in. Only then what lies in it is the user's work, or root's.
func belongsTo(dir string, uid int) bool {
	var st syscall.Stat_t
	return syscall.Stat(dir, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR && int(st.Uid) == uid && st.Mode&writableByOthers == 0
}

// foreign reports whether dir is there and somebody else than the user uid and root
// may put a socket in it. A directory that is not there may come with the daemon.
func foreign(dir string, uid int) bool {
	var st syscall.Stat_t
	if syscall.Lstat(dir, &st) != nil {
		return false
	}
	return st.Mode&syscall.S_IFMT != syscall.S_IFDIR || int(st.Uid) != uid && st.Uid != 0 || st.Mode&writableByOthers != 0
}

// writableByOthers are the bits of a mode that let others than the owner write. An
// ACL that does shows in the group's.
const writableByOthers = syscall.S_IWGRP | syscall.S_IWOTH
