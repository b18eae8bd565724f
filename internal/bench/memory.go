package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// settle is how long a daemon is left alone after its first round.
	settle = 5 * time.Second
	// watch is how long its CPU time is watched then, before its memory is read.
	watch = 10 * time.Second
)

// idle is a daemon that has nothing to do.
type idle struct {
	memory
	cpu time.Duration // within watch
}

// resident starts a daemon for each of the sizes, lets all of them settle, and
// gives what they take.
func (s *site) resident(ctx context.Context, sizes []int) ([]idle, error) {
	daemons := make([]*daemon, len(sizes))
	for i, n := range sizes {
		d, err := s.start(n, s.engine)
		if err != nil {
			return nil, err
		}
		defer d.stop()
		daemons[i] = d
		if _, err := d.firstRound(ctx); err != nil {
			return nil, fmt.Errorf("daemon with %d hosts: %w", n, err)
		}
	}
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	got := make([]idle, len(sizes))
	for i, d := range daemons {
		cpu, err := cpuOf(d.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		got[i].cpu = -cpu
	}
	if err := pause(ctx, watch); err != nil {
		return nil, err
	}
	for i, d := range daemons {
		pid := d.cmd.Process.Pid
		cpu, err := cpuOf(pid)
		if err != nil {
			return nil, err
		}
		got[i].cpu += cpu
		if got[i].memory, err = memoryOf(pid); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
