package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// What the project aims at.
const (
	aimLookups = 20_000 // a second
	aimLatency = 2 * time.Millisecond
)

const (
	apiHosts  = 100
	apiLength = 3 * time.Second
	// Two callers, one a core, show what a look-up costs; a crowd of them, how long
	// one waits for the others.
	twoCallers, crowd = 2, 8
	// socketEvery is how often a daemon's socket is tried until it is there.
	socketEvery = 10 * time.Millisecond
)

// serve starts a daemon for so many hosts and waits until it gives the credentials
// of all of them. It does not log what it is asked.
func (s *site) serve(ctx context.Context, env []string, hosts int, endpoint string) (d *daemon, socket string, err error) {
	f, err := fleetOf(hosts)
	if err != nil {
		return nil, "", err
	}
	config, socket, err := s.write(hosts, endpoint, "")
	if err != nil {
		return nil, "", err
	}
	d, err = startDaemon(s.daemon, env, config, "info", hosts, targets(""))
	if err != nil {
		return nil, "", err
	}
	if err := d.answers(ctx, socket, f.names()); err != nil {
		d.stop()
		return nil, "", fmt.Errorf("daemon with %d hosts: %w", hosts, err)
	}
	return d, socket, nil
}

// answers waits until the daemon answers for all the hosts.
func (d *daemon) answers(ctx context.Context, socket string, hosts []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, roundWithin, errors.New("it does not serve the local API"))
	defer cancel()
	for !listens(socket) {
		select {
		case end := <-d.round: // it comes with its end
			return end.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(socketEvery):
		}
	}
	c, err := newCaller(socket)
	if err != nil {
		return err
	}
	defer c.close()
	for _, h := range hosts {
		if _, err := c.call(request(h + "?wait=30s")); err != nil {
			return fmt.Errorf("host %q: %w", h, err)
		}
	}
	return nil
}

func listens(socket string) bool {
	conn, err := net.Dial("unix", socket)
	return err == nil && conn.Close() == nil
}

// compareAPI measures look-ups of credentials through the local API.
func (s *site) compareAPI(ctx context.Context, w io.Writer) error {
	f, err := fleetOf(apiHosts)
	if err != nil {
		return err
	}
	d, socket, err := s.serve(ctx, s.env, apiHosts, s.aws.Endpoint())
	if err != nil {
		return err
	}
	defer d.stop()
	plans := []struct {
		name string
		plan
	}{
		{fmt.Sprintf("%d connections, as fast as answers come", twoCallers), plan{callers: twoCallers, length: apiLength}},
		{fmt.Sprintf("%d connections, as fast as answers come", crowd), plan{callers: crowd, length: apiLength}},
		{fmt.Sprintf("%d connections, %d a second, from when each was due", crowd, aimLookups),
			plan{callers: crowd, every: time.Second / aimLookups, length: apiLength}},
	}
	taken := make([][]load, len(plans))
	for range repeats {
		for i, p := range plans {
			l, err := p.run(ctx, d.cmd.Process.Pid, socket, f.names())
			if err != nil {
				return err
			}
			taken[i] = append(taken[i], l)
		}
	}
	rows := [][]string{{"", "a second", "median", "p99", "p99.9", "CPU of the daemon, each", "of the callers"}}
	for i, p := range plans {
		l := middleLoad(taken[i])
		rows = append(rows, []string{p.name, fmt.Sprintf("%.0f", l.rate), milliseconds(l.p50), milliseconds(l.p99), milliseconds(l.p999),
			microseconds(l.daemon), microseconds(l.client)})
	}
	two := middleLoad(taken[0])
	rows = append(rows, []string{fmt.Sprintf("aim: %d a second with p99 below %s: %s and %s with %d connections", aimLookups,
		milliseconds(aimLatency), against(aimLookups, two.rate), against(two.p99, aimLatency), twoCallers)})
	return table(w, fmt.Sprintf("Look-ups of credentials of %d hosts over the Unix socket, medians of %d runs of %s",
		apiHosts, repeats, apiLength), rows)
}
