// Package targets is the table of target kinds: a line for each. What a kind
// is and does is in the package below this one that has its name.
package targets

import (
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/targets/dockerconfig"
	"ecr-refreshd/internal/targets/engine"
	"ecr-refreshd/internal/targets/hook"
	"ecr-refreshd/internal/targets/passwordfile"
	"ecr-refreshd/internal/targets/swarm"
)

// Kinds are all kinds of targets. Nobody changes them.
var Kinds = config.Kinds{
	{Type: "engine", Default: true, Doc: "A Docker Engine that checks each login.", Read: engine.Read},
	{Type: "docker-config", Default: true, Doc: "A config.json of docker that holds the logins, or names the credential helper.", Read: dockerconfig.Read},
	{Type: "containers-auth", Doc: "An auth.json of podman, buildah, skopeo or CRI-O that holds the logins, or names the credential helper.", Read: dockerconfig.ReadContainers},
	{Type: "password-file", Doc: "A file with the password, or the logins, for programs that read one.", Read: passwordfile.Read},
	{Type: "exec", Doc: "A command that is run after each renewal, with the logins on its standard input.", Read: hook.Read},
	{Type: "swarm", Doc: "The login inside running Swarm services.", Read: swarm.Read},
}
