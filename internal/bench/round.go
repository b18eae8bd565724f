package main

import (
	"context"
	"fmt"
	"time"
)

// roundTrip is one daemon's first round.
type roundTrip struct {
	took   time.Duration // from the start of the process until the last login was where it belongs
	daemon time.Duration // CPU time of the daemon, until it had ended
	engine time.Duration // CPU time of the engine
	aws    time.Duration // CPU time of the emulated AWS and its registries
}

// round starts a daemon for so many hosts and waits for its first round.
func (s *site) round(ctx context.Context, hosts int, engine string) (roundTrip, error) {
	engines := func() time.Duration {
		if engine == "" {
			return 0
		}
		return cpuOfAll("dockerd") // there is but the one in the test bed
	}
	r := roundTrip{engine: -engines(), aws: -ownCPU()}
	d, err := s.start(hosts, engine)
	if err != nil {
		return roundTrip{}, err
	}
	r.took, err = d.firstRound(ctx)
	r.engine += engines()
	r.aws += ownCPU()
	r.daemon = d.stop()
	if err != nil {
		return roundTrip{}, fmt.Errorf("daemon with %d hosts: %w", hosts, err)
	}
	return r, nil
}
