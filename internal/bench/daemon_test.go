package main

import (
	"strings"
	"testing"
)

func TestFollow(t *testing.T) {
	const (
		started = `{"level":"info","msg":"started"}`
		fileA   = `{"level":"debug","msg":"login stored","host":["a"],"target":"docker-config"}`
		fileB   = `{"level":"debug","msg":"login stored","host":["b"],"target":"docker-config"}`
		engine  = `{"level":"debug","msg":"login stored","host":["a","b"],"target":"engine"}`
		renewed = `{"level":"info","msg":"token renewed","host":["a","b"]}`
	)
	tests := []struct {
		name    string
		lines   []string
		wantErr string
	}{
		{name: "every host in every target", lines: []string{started, renewed, fileA, engine, fileB}},
		{name: "hosts that are only counted", lines: []string{fileA, strings.Replace(fileB, `"b"`, `"b","and 1 more"`, 1), strings.Replace(engine, `"b"`, `"and 1 more"`, 1)}},
		{name: "the same host twice", lines: []string{fileA, fileA, engine}, wantErr: "has ended"},
		{name: "one target lacks", lines: []string{fileA, fileB}, wantErr: "has ended"},
		{name: "a failure", lines: []string{fileA, `{"msg":"login not stored","error":"disk full"}`, fileB, engine}, wantErr: "login not stored: disk full"},
		{name: "a refusal to start", lines: []string{`ecr-refreshd: line 3 is wrong`}, wantErr: "line 3 is wrong"},
		{name: "nothing at all", wantErr: "has ended"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, err := follow(strings.NewReader(strings.Join(tt.lines, "\n")), 2, 2)
			switch {
			case tt.wantErr == "" && (err != nil || at.IsZero()):
				t.Errorf("got %v, %v; want a moment", at, err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("got %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func FuzzFollow(f *testing.F) {
	f.Add(`{"msg":"login stored","host":["a"],"target":"engine"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := follow(strings.NewReader(text), 1, 1); err == nil && at.IsZero() {
			t.Errorf("%q gives neither a moment nor an error", text)
		}
	})
}
