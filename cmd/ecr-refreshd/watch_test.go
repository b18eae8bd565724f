package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

func TestWatchPrintsWhatHasChanged(t *testing.T) {
	type change func(*status.Report)
	same := func(*status.Report) {}
	later := func(r *status.Report) {
		r.Registries[0].NextRefreshAt = new(r.Registries[0].NextRefreshAt.Add(time.Hour))
	}
	tests := []struct {
		name  string
		steps []change // nil: no daemon
		want  string   // R for a report, A for that the daemon is away
	}{
		{"time alone", []change{same, same, same}, "R"},
		{"a state", []change{same, func(r *status.Report) { r.Registries[0].State = status.Failing }, same}, "RR"},
		{"the end of a token", []change{same, func(r *status.Report) { r.Registries[0].ExpiresAt = new(time.Now().Add(time.Hour)) }, same}, "RR"},
		{"the next renewal", []change{same, later, same, later}, "RRR"},
		{"an error", []change{same, func(r *status.Report) { r.Config.Error = &status.Problem{Reason: fault.Local, Message: "bad"} }, same}, "RR"},
		{"a target", []change{same, func(r *status.Report) { r.Registries[0].Targets[0].State = status.Failed }, same}, "RR"},
		{"a daemon that goes and comes", []change{same, nil, nil, nil, same, same, nil, same}, "RARAR"},
		{"a daemon that comes", []change{nil, nil, same}, "AR"},
	}
	for _, tt := range tests {
		for _, asJSON := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, JSON %v", tt.name, asJSON), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					now := time.Now()
					report := status.Report{StartedAt: now, Config: status.Config{Path: "c.yaml", LoadedAt: now},
						Registries: []status.Registry{{Host: "public.ecr.aws", State: status.Fresh, ExpiresAt: new(now.Add(time.Hour)),
							NextRefreshAt: new(now.Add(time.Hour / 2)), Targets: []status.Target{{Name: "docker", State: status.OK}}}}}
					steps := tt.steps
					var got bytes.Buffer
					w := watched{
						ask: func(context.Context) (status.Report, error) {
							step := steps[0]
							if steps = steps[1:]; len(steps) == 0 {
								defer time.AfterFunc(time.Second, cancel)
							}
							if step == nil {
								return status.Report{}, errors.New("away")
							}
							step(&report)
							return report, nil
						},
						away:   func(w io.Writer, _ error) { fmt.Fprint(w, "A") },
						asJSON: asJSON,
						out:    marker{&got, "R", "public.ecr.aws "}, errs: marker{&got, "A", "A"},
					}
					if asJSON {
						w.out = marker{&got, "R", "{"}
					}
					if err := w.watch(ctx); err != nil {
						t.Error(err)
					}
					if got.String() != tt.want {
						t.Errorf("got %s, want %s", &got, tt.want)
					}
				})
			})
		}
	}
}

// marker writes its mark for each piece with the text.
type marker struct {
	w          io.Writer
	mark, text string
}

func (m marker) Write(b []byte) (int, error) {
	if strings.Contains(string(b), m.text) {
		_, _ = io.WriteString(m.w, m.mark)
	}
	return len(b), nil
}
