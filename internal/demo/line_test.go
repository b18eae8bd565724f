package main

import (
	"testing"
	"time"
)

func TestReadLine(t *testing.T) {
	type want struct {
		renewed, stored, loud bool
		hosts                 int
	}
	tests := []struct {
		name, text string
		want       want
	}{
		{"a token", `{"level":"info","time":"2026-01-02T03:04:05Z","msg":"token renewed","host":["a","b"],"region":"us-east-1"}`, want{renewed: true, hosts: 2}},
		{"a token after failures", `{"level":"info","msg":"token renewed again","host":["a"]}`, want{renewed: true, hosts: 1}},
		{"a login in the file", `{"level":"debug","msg":"login stored","host":["a"],"target":"docker-config"}`, want{stored: true, hosts: 1}},
		{"a login in the file after failures", `{"level":"info","msg":"login stored again","host":["a"],"target":"docker-config"}`, want{stored: true, hosts: 1}},
		{"a login at the engine", `{"level":"debug","msg":"login stored","host":["a"],"target":"engine"}`, want{hosts: 1}},
		{"a token that failed", `{"level":"warn","msg":"token not renewed","host":["a"]}`, want{loud: true, hosts: 1}},
		{"a login that failed", `{"level":"error","msg":"login not stored","host":["a"],"target":"docker-config"}`, want{loud: true, hosts: 1}},
		{"another event", `{"level":"info","msg":"started"}`, want{}},
		{"an event of a level not known here", `{"level":"dpanic","msg":"started"}`, want{loud: true}},
		{"a line of a panic", `goroutine 1 [running]:`, want{loud: true}},
		{"JSON that is no event", `{"level":"info"}`, want{loud: true}},
		{"JSON of other types", `{"level":"info","msg":"token renewed","host":"a"}`, want{loud: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := readLine(tt.text)
			if got := (want{l.renewed(), l.stored(), l.loud(), len(l.Host)}); got != tt.want || l.text != tt.text {
				t.Errorf("got %+v of %q, want %+v", got, l.text, tt.want)
			}
		})
	}
}

func TestReadLineReadsTimes(t *testing.T) {
	l := readLine(`{"time":"2026-01-02T03:04:05.5Z","msg":"token renewed","expires_at":"2026-01-02T03:05:05.5Z","next_refresh_at":"2026-01-02T03:04:32.5Z"}`)
	if life, next := l.ExpiresAt.Sub(l.Time), l.NextRefreshAt.Sub(l.Time); life != time.Minute || next != 27*time.Second {
		t.Errorf("got %v and %v", life, next)
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add(`{"level":"info","msg":"token renewed","host":["a"],"expires_at":"2026-01-02T03:05:05.5Z"}`)
	f.Add(`panic: {`)
	f.Fuzz(func(t *testing.T, text string) {
		l := readLine(text)
		if l.text != text {
			t.Errorf("the line is lost: %q", l.text)
		}
		if l.Msg == "" && (!l.loud() || l.renewed() || l.stored()) {
			t.Errorf("a line without a message is not shown: %+v", l)
		}
	})
}
