package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	show := s.append
	if isTerminal(s.out) && !s.asJSON {
		show = s.replace
		fmt.Fprint(s.out, "\x1b[2J")
	}
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

// replace shows the report, or why there is none, where the last one was.
func (s *watched) replace(report status.Report, err error) error {
	var b bytes.Buffer
	if err != nil {
		s.away(&b, err)
	} else if err := printReport(&b, report, false, painter(s.out)); err != nil {
		return err
	}
	// Home, each line to its end, and what is below.
	_, err = fmt.Fprintf(s.out, "\x1b[H%s\x1b[J", bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\x1b[K\n")))
	return err
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
	return printReport(s.out, report, s.asJSON, painter(s.out))
}
