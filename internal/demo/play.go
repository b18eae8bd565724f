package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	loginWithin = time.Minute      // from the daemon's start to the first logins
	pullWithin  = 30 * time.Second // one pull
)

var errStopped = errors.New("stopped as asked")

// play is one performance. It belongs to one goroutine, which alone prints and
// keeps the score.
type play struct {
	settings
	stage  stage
	out    *timeline
	daemon *daemon
	score  score

	renewed map[string]int // by host: tokens that the daemon has fetched
	stored  map[string]int // by host: the number of the one that docker would use
	kept    time.Time      // when the first logins were put aside
	ends    <-chan time.Time
}

func newPlay(set settings, s stage, out *timeline) *play {
	return &play{settings: set, stage: s, out: out, score: score{life: set.life},
		renewed: make(map[string]int), stored: make(map[string]int)}
}

// run plays to the end. An error says why it ended before; errStopped is the
// person's own wish.
func (p *play) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "ecr-demo-play-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logins, first := filepath.Join(dir, "docker"), filepath.Join(dir, "first")
	if err := errors.Join(os.Mkdir(logins, 0o700), os.Mkdir(first, 0o700)); err != nil {
		return err
	}
	p.out.begin()
	defer func() { p.score.length = p.out.elapsed() }()
	if p.daemon, err = startDaemon(p.settings.daemon, dir, logins, p.stage); err != nil {
		return err
	}
	defer p.daemon.stop()
	for _, act := range []func(context.Context, string, string) error{p.open, p.pulls, p.contrast} {
		if err := act(ctx, logins, first); err != nil {
			if ctx.Err() != nil {
				return errStopped
			}
			return err
		}
	}
	return nil
}

// open waits for the first logins, puts them aside and pushes the images.
func (p *play) open(ctx context.Context, logins, first string) error {
	patience := time.After(loginWithin)
	for slices.ContainsFunc(hosts(), func(h string) bool { return p.stored[h] == 0 }) {
		select {
		case <-patience:
			return fmt.Errorf("there is no login for every registry after %v", loginWithin)
		case <-ctx.Done():
			return ctx.Err()
		case l, ok := <-p.daemon.said:
			if err := p.hear(l, ok); err != nil {
				return err
			}
		}
	}
	content, err := os.ReadFile(filepath.Join(logins, configFile))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(first, configFile), content, 0o600); err != nil {
		return err
	}
	p.kept = time.Now()
	p.ends = time.After(p.life)
	for _, h := range hosts() {
		if err := p.stage.push(ctx, reference(h), logins); err != nil {
			return fmt.Errorf("push an image to %q: %w", h, err)
		}
	}
	p.out.note("there is an image at each of %d registries; pulling begins", len(hosts()))
	return nil
}

// pulls pulls from one registry after the other, and at the end from each once more.
func (p *play) pulls(ctx context.Context, logins, _ string) error {
	all := hosts()
	for turn := 0; ; turn++ {
		left := p.length - time.Since(p.kept)
		if left <= 0 {
			break
		}
		if err := p.pull(ctx, all[turn%len(all)], logins); err != nil {
			return err
		}
		if _, err := attend(ctx, p, time.After(min(p.pause, left))); err != nil {
			return err
		}
	}
	for _, h := range all {
		if err := p.pull(ctx, h, logins); err != nil {
			return err
		}
	}
	return nil
}

// pull pulls once and counts it. The error is not the pull's.
func (p *play) pull(ctx context.Context, host, logins string) error {
	started, token := time.Now(), p.stored[host]
	r, err := p.try(ctx, host, logins)
	if err != nil {
		return err
	}
	p.score.pulls++
	if r.err != nil {
		p.score.failures++
		p.out.failed(host, r.err)
		return nil
	}
	p.score.crossed = started.Sub(p.kept)
	p.out.pulled(host, r.took, token)
	return nil
}

// contrast pulls with a token that nobody has renewed.
func (p *play) contrast(ctx context.Context, _, first string) error {
	// Every token that was put aside had been obtained before.
	if _, err := attend(ctx, p, time.After(time.Until(p.kept.Add(p.life)))); err != nil {
		return err
	}
	host := hosts()[0]
	p.out.note("now a pull with the very first token, as if nobody had renewed it")
	r, err := p.try(ctx, host, first)
	if err != nil {
		return err
	}
	if r.err == nil {
		r.err = errWorked
	}
	p.score.contrast = r.err
	return nil
}

// result is what came of a pull.
type result struct {
	took time.Duration
	err  error
}

// try pulls, while the daemon is listened to.
func (p *play) try(ctx context.Context, host, logins string) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result, 1)
	var pulling sync.WaitGroup
	defer pulling.Wait()
	defer cancel()
	pulling.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, pullWithin)
		defer cancel()
		took, err := p.stage.pull(ctx, reference(host), logins)
		results <- result{took, err}
	})
	r, err := attend(ctx, p, results)
	if err == nil {
		err = ctx.Err() // a pull that was called off says nothing
	}
	return r, err
}

// attend listens to the daemon until c delivers.
func attend[T any](ctx context.Context, p *play, c <-chan T) (got T, err error) {
	for {
		select {
		case got = <-c:
			return got, nil
		case <-ctx.Done():
			return got, ctx.Err()
		case <-p.ends:
			p.out.note("the first tokens have expired: what was not renewed is worth nothing now")
		case l, ok := <-p.daemon.said:
			if err := p.hear(l, ok); err != nil {
				return got, err
			}
		}
	}
}

// hear deals with a line of the daemon's log, or with its end.
func (p *play) hear(l line, ok bool) error {
	switch {
	case !ok && p.daemon.err != nil:
		return fmt.Errorf("the daemon has ended: %w", p.daemon.err)
	case !ok:
		return errors.New("the daemon has ended")
	case l.renewed() && len(l.Host) > 0:
		for _, h := range l.Host {
			p.renewed[h]++
		}
		number := p.renewed[l.Host[0]]
		if number == 1 {
			p.score.tokens++
		} else {
			p.score.renewals++
		}
		p.out.renewed(l, number)
	case l.stored():
		for _, h := range l.Host {
			p.stored[h] = p.renewed[h]
		}
	case l.loud():
		p.out.quote(l.text)
	}
	return nil
}
