package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// builtLauncher builds the launcher and gives its path.
func builtLauncher(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "launcher")
	if err := compile(t.Context(), "go", "build", "-o", path, "ecr-refreshd/internal/bench/launcher"); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsageIsThatOfTheCommandAndNotOfTheBenchmark(t *testing.T) {
	const mine = 256 << 20
	ballast := make([]byte, mine)
	for i := range ballast {
		ballast[i] = 1
	}
	u, _, err := measure(t.Context(), builtLauncher(t), os.Environ(), "", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU <= 0 || u.Wall <= 0 || u.Peak <= 0 {
		t.Errorf("got %+v, want every figure above 0", u)
	}
	if u.Peak >= mine/2 {
		t.Errorf("a shell's peak is %s, as if it had the memory of its parent", mebibytes(u.Peak))
	}
	if ballast[mine-1] != 1 {
		t.Error("the ballast is gone")
	}
}

func TestUsageIncludesWhatTheCommandStarts(t *testing.T) {
	loop := "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
	u, _, err := measure(t.Context(), builtLauncher(t), os.Environ(), "", "sh", "-c", "sh -c '"+loop+"' | cat")
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU < 5*time.Millisecond { // some 100 ms; without the inner shell 1 ms
		t.Errorf("got %s of CPU time, want that of the inner shell too", u.CPU)
	}
}

func TestMeasureReportsAFailure(t *testing.T) {
	launcher := builtLauncher(t)
	for _, tt := range []struct{ name, script, want string }{
		{"on standard error", "echo the cause >&2; exit 7", "exit status 7: the cause"},
		{"on standard output, as credential helpers do", "echo the cause; exit 1", "exit status 1: the cause"},
		{"by a signal", "kill -9 $$", "killed"},
	} {
		_, _, err := measure(t.Context(), launcher, os.Environ(), "", "sh", "-c", tt.script)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, _, err := measure(t.Context(), launcher, os.Environ(), "", "no-such-program"); err == nil {
		t.Error("a program that is not there gives no error")
	}
}

func TestMeasurePassesInputAndOutputOn(t *testing.T) {
	_, out, err := measure(t.Context(), builtLauncher(t), os.Environ(), "the host", "cat")
	if err != nil || string(out) != "the host" {
		t.Errorf("got %q, %v; want what went in", out, err)
	}
}

func TestParseUsage(t *testing.T) {
	tests := []struct {
		name, line string
		want       usage
		wantErr    bool
	}{
		{name: "three figures", line: "1 2 3\n", want: usage{CPU: 1, Wall: 2, Peak: 3}},
		{name: "one lacks", line: "1 2\n", wantErr: true},
		{name: "cut short", line: "1 2 3", wantErr: true},
		{name: "one is negative", line: "1 -2 3\n", wantErr: true},
		{name: "nothing", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parseUsage(tt.line); got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %+v, %v; want %+v, an error: %t", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestQuotedIsOneWordToAShell(t *testing.T) {
	launcher := builtLauncher(t)
	for _, word := range []string{"plain", "two words", "it's", "$HOME `id` \\"} {
		if _, _, err := measure(t.Context(), launcher, append(os.Environ(), "WANT="+word), "", "sh", "-c", `test "$WANT" = `+quoted(word)); err != nil {
			t.Errorf("%q: %v", word, err)
		}
	}
}
