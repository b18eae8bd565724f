package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launchArgument { // measure runs this program
		os.Exit(launch(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestUsageIsThatOfTheCommandAndNotOfTheBenchmark(t *testing.T) {
	const mine = 256 << 20
	ballast := make([]byte, mine)
	for i := range ballast {
		ballast[i] = 1
	}
	u, err := measure(t.Context(), os.Environ(), "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
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
	u, err := measure(t.Context(), os.Environ(), "sh", "-c", "sh -c '"+loop+"' | cat")
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU < 5*time.Millisecond { // some 100 ms; without the inner shell 1 ms
		t.Errorf("got %s of CPU time, want that of the inner shell too", u.CPU)
	}
}

func TestMeasureReportsAFailure(t *testing.T) {
	_, err := measure(t.Context(), os.Environ(), "sh", "-c", "echo the cause >&2; exit 7")
	if err == nil || !strings.Contains(err.Error(), "the cause") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v, want exit status 7 and the cause", err)
	}
}

func TestQuotedIsOneWordToAShell(t *testing.T) {
	for _, word := range []string{"plain", "two words", "it's", "$HOME `id` \\"} {
		if _, err := measure(t.Context(), append(os.Environ(), "WANT="+word), "sh", "-c", `test "$WANT" = `+quoted(word)); err != nil {
			t.Errorf("%q: %v", word, err)
		}
	}
}
