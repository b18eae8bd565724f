package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/status"
)

// progressInterval is how often progress is shown. What takes less shows none.
const progressInterval = 250 * time.Millisecond

// showProgress shows in one line of a terminal how far the rows have come and what is waited
// for, until hide is called, which takes the line away.
func showProgress(on *os.File, rows func() []status.Registry) (hide func()) {
	begun, over, hidden := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(hidden)
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		s := &screen{out: on}
		for shown := false; ; shown = true {
			select {
			case <-over:
				if shown {
					fmt.Fprint(on, "\r\x1b[K")
				}
				return
			case <-ticker.C:
			}
			width, _ := s.size()
			fmt.Fprintf(on, "\r%s\x1b[K", cut(progress(rows(), time.Since(begun)), width-1, "..."))
		}
	}()
	return func() {
		close(over)
		<-hidden
	}
}

// progress says how far rows have come: "3s: 2 of 5 hosts logged in, waiting for the token of
// default in eu-west-1 (network), engine".
func progress(rows []status.Registry, took time.Duration) string {
	done := 0
	var waits []string
	wait := func(what string, problem *status.Problem) {
		if problem != nil {
			what += " (" + string(problem.Reason) + ")"
		}
		if !slices.Contains(waits, what) {
			waits = append(waits, what)
		}
	}
	for _, r := range rows {
		switch {
		case r.Well():
			done++
		case r.State != status.Fresh:
			wait(fmt.Sprintf("the token of %s in %s", r.Identity, r.Region), r.Error)
		default:
			for _, t := range r.Targets {
				if t.State != status.OK {
					wait(t.Name, t.Error)
				}
			}
		}
	}
	text := fmt.Sprintf("%s: %s of %s hosts logged in", status.Span(took), status.Number(done), status.Number(len(rows)))
	if len(waits) > 0 {
		text += ", waiting for " + strings.Join(waits, ", ")
	}
	return text
}
