package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/eventlog"
	"ecr-refreshd/internal/systemd"
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
		_ = l.Sync()
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

func TestMachinesReadUTCAndSecondsToTheMillisecond(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	east := time.FixedZone("", 2*60*60)
	l := newLogger(f, zap.NewAtomicLevel(), "json")
	l.Info("m", zap.Time("expires_at", time.Date(2026, 3, 1, 12, 0, 0, 987654321, east)), zap.Duration("took", 1234567*time.Microsecond))
	_ = l.Sync()
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^{"level":"info","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","msg":"m","expires_at":"2026-03-01T10:00:00\.987Z","took":1\.235}\n$`)
	if !want.Match(data) {
		t.Errorf("got %s", data)
	}
	if got := texts(time.Date(2026, 3, 1, 12, 0, 0, 987654321, east)); got[0] != "2026-03-01T10:00:00.987Z" {
		t.Errorf("the journal has %s", got)
	}
	if got := texts(1234567 * time.Microsecond); got[0] != "1.235" {
		t.Errorf("the journal has %s", got)
	}
}

func TestTheJournalHasEachField(t *testing.T) {
	var sent [][]systemd.Field
	var refused error
	var fallback strings.Builder
	level := zap.NewAtomicLevelAt(zap.InfoLevel)
	core := &journalCore{LevelEnabler: level, send: func(fields []systemd.Field) error {
		sent = append(sent, fields)
		return refused
	}, fallback: zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&fallback), level)}
	l := zap.New(core).With(zap.String("region", "eu-west-1"))
	l.Debug("not asked for")
	l.Warn("token not renewed", zap.Strings("host", []string{"a.example.com", "b.example.com"}), zap.Duration("retry_in", 1500*time.Millisecond),
		zap.String("hint", `say "please"`), zap.String("account", ""), zap.Int("attempt", 3), zap.Error(errors.New("boom")))
	want := []systemd.Field{{Name: "SYSLOG_IDENTIFIER", Value: "ecr-refreshd"}, {Name: "PRIORITY", Value: "4"}, {Name: "ACCOUNT", Value: ""}, {Name: "ATTEMPT", Value: "3"}, {Name: "ERROR", Value: "boom"},
		{Name: "HINT", Value: `say "please"`}, {Name: "HOST", Value: "a.example.com"}, {Name: "HOST", Value: "b.example.com"}, {Name: "REGION", Value: "eu-west-1"}, {Name: "RETRY_IN", Value: "1.5"},
		{Name: "MESSAGE", Value: `token not renewed attempt=3 error=boom hint="say \"please\"" host=a.example.com,b.example.com region=eu-west-1 retry_in=1.5`}}
	if len(sent) != 1 || !slices.Equal(sent[0], want) {
		t.Errorf("got  %+v\nwant %+v", sent, want)
	}
	var many eventlog.Hosts
	for i := range 100 {
		many = append(many, fmt.Sprint("h", i))
	}
	l.Info("token renewed", zap.Array("host", many))
	if got := sent[len(sent)-1]; !slices.Contains(got, systemd.Field{Name: "HOST", Value: "h99"}) || strings.Contains(got[len(got)-1].Value, "h99") {
		t.Errorf("every host is to be a field, and the message short: %+v", got)
	}
	for i := range 5000 {
		many = append(many, fmt.Sprint("h", 100+i))
	}
	l.Info("token still not renewed", zap.Array("host", many))
	if n := len(sent[len(sent)-1]); n > 1024 {
		t.Errorf("journald would drop an entry of %d fields", n)
	}
	refused = errors.New("no journal")
	l.Error("lost")
	if got := fallback.String(); !strings.Contains(got, `"msg":"lost"`) || !strings.Contains(got, `"region":"eu-west-1"`) {
		t.Errorf("the fallback has %q", got)
	}
}
