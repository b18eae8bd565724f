package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"ecr-refreshd/internal/status"
)

// watchInterval is how often --watch looks.
const watchInterval = 2 * time.Second

// watched is a status that is shown again and again.
type watched struct {
	ask       func(context.Context) (status.Report, error)
	away      func(w io.Writer, err error) // says why there was no answer
	asJSON    bool
	out, errs io.Writer
	// What was written last, where it stays: a report, and that there was no answer.
	last   []byte
	absent bool
}

// watch goes on until ctx ends: on a terminal in place, elsewhere whenever
// something has changed. A daemon that is away is waited for.
func (s *watched) watch(ctx context.Context) error {
	if out, ok := s.out.(*os.File); ok && !s.asJSON && canRedraw(out) {
		return s.redraw(ctx, &screen{in: os.Stdin, out: out})
	}
	return s.poll(ctx, s.append)
}

// poll asks until ctx ends, or show has an error.
func (s *watched) poll(ctx context.Context, show func(status.Report, error) error) error {
	for {
		report, err := s.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := show(report, err); err != nil {
			return failed(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
	}
}

// redraw shows each answer in the place of the last until ctx ends, q is typed, or the
// terminal is gone.
func (s *watched) redraw(ctx context.Context, on *screen) error {
	signals, stopping, resumed := make(chan os.Signal, 4), make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGHUP)
	signal.Notify(stopping, syscall.SIGTSTP)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(signals)
	defer signal.Stop(stopping)
	defer signal.Stop(resumed)

	ctx, cancel := context.WithCancel(ctx)
	var polling sync.WaitGroup
	defer polling.Wait()
	defer cancel()
	pages := make(chan page)
	polling.Go(func() {
		_ = s.poll(ctx, func(report status.Report, err error) error { // which has no error
			select {
			case pages <- s.page(report, err):
			case <-ctx.Done():
			}
			return nil
		})
	})
	if err := on.enter(); err != nil {
		return failed(err)
	}
	defer on.leave()
	keys := on.keys()
	second := time.NewTicker(time.Second) // for what gets older
	defer second.Stop()
	shown := page{style: style{painter(on.out), inUnicode(os.Getenv)}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			if key == 'q' || key == 'Q' {
				return nil
			}
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				return nil
			}
		case <-stopping:
			if err := on.suspend(resumed); err != nil {
				return failed(err)
			}
		case next := <-pages:
			shown.update(next)
		case <-second.C:
		}
		width, height := on.size()
		if err := on.show(shown.lines(time.Now(), width, height)); err != nil {
			return failed(err)
		}
	}
}

// page makes one of an answer.
func (s *watched) page(report status.Report, err error) page {
	if err == nil {
		return page{report: &report}
	}
	var why bytes.Buffer
	s.away(&why, err)
	return page{why: why.String(), since: time.Now()}
}

// append prints the report if it is another than the last; ages, which change all
// the time, are not in it. Once for each absence it says why there is none.
func (s *watched) append(report status.Report, err error) error {
	if err != nil {
		if !s.absent {
			s.away(s.errs, err)
		}
		s.last, s.absent = nil, true
		return nil
	}
	s.absent = false
	content, err := json.Marshal(report)
	if err != nil || bytes.Equal(content, s.last) {
		return err
	}
	s.last = content
	if s.asJSON { // a line each, for programs that read line by line
		_, err := s.out.Write(append(bytes.Clone(content), '\n'))
		return err
	}
	return printReport(s.out, report, false, painter(s.out))
}
