// Command docker-credential-ecr-refreshd is the credential helper that Docker
// and its relatives run for a registry's login. It starts in every pull, so
// nothing may be added here that costs start-up time; what it does is in
// internal/credhelper.
package main

import (
	"os"

	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/nodump"
)

// release is set by the linker for a released build.
var release = "(devel)"

func main() {
	nodump.Set()
	// The effective user is the one that the kernel names to the daemon.
	uid, getenv := os.Geteuid(), os.Getenv
	if os.Getuid() != uid || os.Getgid() != os.Getegid() {
		// The program is setuid or setgid: whoever set the variables is not the one
		// whom the daemon will see.
		getenv = func(string) string { return "" }
	}
	helper := credhelper.New(release, credhelper.Sockets(getenv, uid), uid, getenv(credhelper.OnError))
	os.Exit(helper.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
