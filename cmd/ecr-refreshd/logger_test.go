package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

func TestTheJournalLearnsThePriority(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "journal")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	log := func() {
		l := newLogger(f, zap.NewAtomicLevelAt(zap.DebugLevel), "json").With(zap.String("a", "b"))
		l.Debug("d")
		l.Info("i")
		l.Warn("w")
		l.Error("e")
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	log()
	t.Setenv("JOURNAL_STREAM", "1:1") // of another stream than ours
	log()
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	want := []string{`<7>{"level":"debug"`, `<6>{"level":"info"`, `<4>{"level":"warn"`, `<3>{"level":"error"`,
		`{"level":"debug"`, `{"level":"info"`, `{"level":"warn"`, `{"level":"error"`}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), data)
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, want[i]) || !strings.Contains(l, `"a":"b"`) {
			t.Errorf("line %d is %s, want %s...", i, l, want[i])
		}
	}
}
