package swarm

import (
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/targets/engine"
)

// settings are what a configuration says of a swarm.
type settings struct {
	Engine   engine.Options
	Labelled bool // only services with the label
}

// Read reads the options of a swarm.
func Read(b *config.Block) config.Options {
	var s settings
	services := "matching"
	s.Engine.Read(b, config.String("services",
		"matching: every service whose image is on one of the hosts. labelled: only those of them with the label "+label+".",
		&services, config.OneOf("matching", "labelled")))
	s.Labelled = services == "labelled"
	return s
}

// Place is the swarm as far as the file says it. It is not the engine, which
// checks the same logins.
func (s settings) Place() string { return "swarm services at " + s.Engine.Place() }

// New makes the target.
func (s settings) New() (config.Destination, error) { return newTarget(s), nil }
