// Package targets is the table of target kinds: one line for each. What a kind
// does is in the package below this one that has its name.
package targets

import (
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/targets/dockerconfig"
	"ecr-refreshd/internal/targets/engine"
)

// New makes the target that c describes. It touches nothing; its error names
// the setting that is wrong.
func New(c config.Target) (renew.Target, error) {
	if c.Engine != nil {
		e := c.Engine
		return engine.New(engine.Options{Host: e.Host, Context: e.Context, CA: e.CA, Cert: e.Cert, Key: e.Key})
	}
	file := dockerconfig.Options{Path: c.DockerConfig.Path, User: c.DockerConfig.User}
	if c.DockerConfig.Helper {
		return dockerconfig.NewHelper(file)
	}
	return dockerconfig.New(file)
}

// Kind is the name of c's kind, as users write it.
func Kind(c config.Target) string {
	if c.Engine != nil {
		return "engine"
	}
	return "docker-config"
}
