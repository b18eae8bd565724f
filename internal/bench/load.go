package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// load is what a number of callers saw that looked up credentials at once.
type load struct {
	rate           float64 // look-ups a second
	p50, p99, p999 time.Duration
	daemon, client time.Duration // CPU time of one look-up, on either side
}

// plan says how to look up.
type plan struct {
	callers int
	every   time.Duration // between two look-ups of all callers together; 0: as fast as answers come
	length  time.Duration
}

// run looks up the hosts' credentials at the socket of the daemon with this pid.
//
// With a pace, the latency of a look-up counts from the moment at which it was due
// and not from when it was sent: an answer that is late makes those behind it
// late too, as it would for clients that know nothing of each other.
func (p plan) run(ctx context.Context, pid int, socket string, hosts []string) (load, error) {
	callers := make([]*caller, p.callers)
	for i := range callers {
		c, err := newCaller(socket)
		if err != nil {
			return load{}, err
		}
		defer c.close()
		defer context.AfterFunc(ctx, c.close)()
		callers[i] = c
	}
	requests := make([][]byte, len(hosts))
	for i, h := range hosts {
		requests[i] = request(h)
	}
	daemonBefore, err := cpuOf(pid)
	if err != nil {
		return load{}, err
	}
	clientBefore := ownCPU()
	latencies, errs := make([][]time.Duration, p.callers), make([]error, p.callers)
	var calling sync.WaitGroup
	started := time.Now()
	for i, c := range callers {
		first := started.Add(time.Duration(i) * p.every)
		calling.Go(func() {
			latencies[i], errs[i] = p.look(c, first, started.Add(p.length), i*len(hosts)/p.callers, hosts, requests)
		})
	}
	calling.Wait()
	took := time.Since(started)
	client := ownCPU() - clientBefore
	daemonAfter, err := cpuOf(pid)
	if err := errors.Join(append(errs, err, ctx.Err())...); err != nil {
		return load{}, fmt.Errorf("look up credentials: %w", err)
	}
	return summary(slices.Concat(latencies...), took, daemonAfter-daemonBefore, client), nil
}

// summary needs at least one latency.
func summary(latencies []time.Duration, took, daemon, client time.Duration) load {
	slices.Sort(latencies)
	n := len(latencies)
	at := func(share float64) time.Duration { return latencies[min(int(share*float64(n)), n-1)] }
	return load{
		rate: float64(n) / took.Seconds(), p50: at(0.5), p99: at(0.99), p999: at(0.999),
		daemon: daemon / time.Duration(n), client: client / time.Duration(n),
	}
}

// look is one caller: it looks up one host after the other from first until end,
// and gives the latencies.
func (p plan) look(c *caller, first, end time.Time, offset int, hosts []string, requests [][]byte) ([]time.Duration, error) {
	var latencies []time.Duration
	step := p.every * time.Duration(p.callers)
	for n, due := 0, first; due.Before(end); n++ {
		if p.every > 0 {
			sleepUntil(due)
		}
		i := (offset + n) % len(hosts)
		body, err := c.call(requests[i])
		if err != nil {
			return nil, fmt.Errorf("host %q: %w", hosts[i], err)
		}
		if !bytes.Contains(body, []byte(hosts[i])) {
			return nil, fmt.Errorf("host %q: the answer is for another", hosts[i])
		}
		now := time.Now()
		latencies = append(latencies, now.Sub(due))
		due = due.Add(step)
		if p.every == 0 {
			due = now
		}
	}
	return latencies, nil
}

// sleepUntil sleeps in the kernel: the runtime's own timers are late by up to a
// millisecond where nothing else goes on, which is half of what is allowed here.
func sleepUntil(due time.Time) {
	if left := time.Until(due); left > 0 {
		ts := unix.NsecToTimespec(left.Nanoseconds())
		_ = unix.Nanosleep(&ts, nil) // a signal ends it early, which does no harm
	}
}
