package restart

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/systemd"

	"golang.org/x/sys/unix"
)

var _ Store = systemd.Manager{}

// shelf is a Store in this process.
type shelf struct {
	files   map[string]*os.File
	done    []string // what was asked for, in order
	putErr  error
	dropErr error
	cannot  string // why it keeps nothing
	unsure  string
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{files: make(map[string]*os.File)}
	t.Cleanup(func() {
		for _, f := range s.files {
			f.Close()
		}
	})
	return s
}

func (s *shelf) Put(name string, file *os.File) error {
	s.done = append(s.done, "put")
	if s.putErr != nil {
		return s.putErr
	}
	s.files[name] = copyOf(file, name)
	return nil
}

func (s *shelf) Drop(name string) error {
	s.done = append(s.done, "drop")
	if s.dropErr != nil {
		return s.dropErr
	}
	s.files[name].Close()
	delete(s.files, name)
	return nil
}

func (s *shelf) Keeps(int) (bool, string) { return s.cannot == "", s.cannot + s.unsure }

// handed gives what the next process is started with.
func (s *shelf) handed() []*os.File {
	var files []*os.File
	for name, f := range s.files {
		files = append(files, copyOf(f, name))
	}
	return files
}

func copyOf(f *os.File, name string) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	return os.NewFile(uintptr(fd), name)
}

func (s *shelf) put(t *testing.T, name string, data []byte) {
	t.Helper()
	f, err := sealed(data)
	if err != nil {
		t.Fatal(err)
	}
	s.files[name] = f
}

func tokens(keysAndSecrets ...string) map[string]login.Token {
	m := make(map[string]login.Token)
	for i := 0; i < len(keysAndSecrets); i += 2 {
		m[keysAndSecrets[i]] = token(keysAndSecrets[i+1])
	}
	return m
}

func mustSave(t *testing.T, h *Saver, tokens map[string]login.Token, now moment) {
	t.Helper()
	if err := h.save(tokens, now); err != nil {
		t.Fatal(err)
	}
}

func TestSaveDoesWhatIsNeededAndNoMore(t *testing.T) {
	s := newShelf(t)
	h, taken, _ := open(nil, s, at(0, 0))
	if len(taken) != 0 {
		t.Fatalf("took %v", taken)
	}
	moved := tokens("a", "1")
	moved["a"] = login.Token{Username: "AWS", Secret: login.NewSecret("1"), ExpiresAt: noon.Add(time.Minute)}
	steps := []struct {
		name   string
		tokens map[string]login.Token
		want   []string
	}{
		{"nothing yet", nil, nil},
		{"the first", tokens("a", "1"), []string{"put"}},
		{"the same", tokens("a", "1"), nil},
		{"the same, by another clock", moved, nil},
		{"one more", tokens("a", "1", "b", "2"), []string{"put", "drop"}},
		{"renewed", tokens("a", "3", "b", "2"), []string{"put", "drop"}},
		{"one less", tokens("b", "2"), []string{"put", "drop"}},
		{"another key", tokens("c", "2"), []string{"put", "drop"}},
		{"none", tokens(), []string{"drop"}},
		{"still none", nil, nil},
	}
	for i, step := range steps {
		s.done = nil
		now := at(time.Duration(i)*time.Second, time.Duration(i)*time.Second)
		mustSave(t, h, step.tokens, now)
		if !slices.Equal(s.done, step.want) {
			t.Errorf("%s: did %q, want %q", step.name, s.done, step.want)
		}
		if want := min(len(step.tokens), 1); len(s.files) != want {
			t.Errorf("%s: %d files are kept, want %d", step.name, len(s.files), want)
		}
		_, got, why := open(s.handed(), s, now)
		if step.name != "the same, by another clock" && !maps.EqualFunc(got, step.tokens, same) {
			t.Errorf("%s: the next process takes %v, %q", step.name, got, why)
		}
	}
}

func TestSaveThatFailsKeepsTheFormerAndTriesAgain(t *testing.T) {
	s := newShelf(t)
	h, _, _ := open(nil, s, at(0, 0))
	mustSave(t, h, tokens("a", "1"), at(0, 0))

	s.putErr = errors.New("no")
	err := h.save(tokens("a", "canary"), at(1, 1))
	if !fault.Has(err, fault.Local) || !errors.Is(err, s.putErr) || strings.Contains(err.Error(), "canary") {
		t.Errorf("put: got %v", err)
	}
	if _, got, _ := open(s.handed(), newShelf(t), at(1, 1)); !maps.EqualFunc(got, tokens("a", "1"), same) {
		t.Errorf("after a failed put the next process takes %v", got)
	}

	s.putErr, s.dropErr = nil, errors.New("not now")
	if err := h.save(tokens("a", "2"), at(2, 2)); !errors.Is(err, s.dropErr) {
		t.Errorf("drop: got %v", err)
	}
	if _, got, _ := open(s.handed(), s, at(2, 2)); !maps.EqualFunc(got, tokens("a", "2"), same) || len(s.files) != 2 {
		t.Errorf("after a failed drop the next process takes %v of %d files", got, len(s.files))
	}

	s.dropErr, s.done = nil, nil
	mustSave(t, h, tokens("a", "2"), at(3, 3))
	if !slices.Equal(s.done, []string{"drop"}) || len(s.files) != 1 {
		t.Errorf("did %q, %d files are kept", s.done, len(s.files))
	}
}

func TestSaveDoesNothingWithoutAStore(t *testing.T) {
	s := newShelf(t)
	s.cannot = "no manager"
	h, _, why := open(nil, s, at(0, 0))
	mustSave(t, h, tokens("a", "1"), at(0, 0))
	if len(s.done) > 0 || why != "no manager" {
		t.Errorf("did %q; said %q", s.done, why)
	}
}

func TestOpenTakesTheNewestThatItCanRead(t *testing.T) {
	snap := func(boot time.Duration, tokens map[string]login.Token) []byte {
		data, err := snapshot{at(boot, boot), tokens}.encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	older, newer := snap(0, tokens("a", "1", "b", "1")), snap(1, tokens("a", "2"))
	tests := []struct {
		name  string
		files map[string][]byte
		later time.Duration
		want  map[string]login.Token
		keeps []string // the files that stay in the store
		why   string   // "" for none at all
	}{
		{"nothing", nil, 0, nil, nil, "there is no former process that handed any over"},
		{"one", map[string][]byte{"1": older}, 0, tokens("a", "1", "b", "1"), []string{"1"}, ""},
		{"two, by age", map[string][]byte{"1": older, "2": newer}, 0, tokens("a", "2"), []string{"2"}, ""},
		{"two, whatever the names", map[string][]byte{"2": older, "1": newer}, 0, tokens("a", "2"), []string{"1"}, ""},
		{"one is broken", map[string][]byte{"1": older, "2": newer[:30]}, 0, tokens("a", "1", "b", "1"), []string{"1"}, prefix + "2\" of the former process cannot be used: it has another format"},
		{"all are broken", map[string][]byte{"1": []byte("canary"), "2": nil}, 0, nil, nil, "another format"},
		{"expired", map[string][]byte{"1": older}, 13 * time.Hour, nil, []string{"1"}, "all 2 tokens of the former process have expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf(t)
			for name, data := range tt.files {
				s.put(t, prefix+name, data)
			}
			_, got, why := open(s.handed(), s, at(tt.later+1, tt.later+1))
			if !maps.EqualFunc(secrets(got), secrets(tt.want), login.Secret.Equal) {
				t.Errorf("took %v, want %v", got, tt.want)
			}
			if !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") || strings.Contains(why, "canary") {
				t.Errorf("said %q, want %q", why, tt.why)
			}
			var kept []string
			for name := range s.files {
				kept = append(kept, strings.TrimPrefix(name, prefix))
			}
			if !slices.Equal(kept, tt.keeps) {
				t.Errorf("keeps %q, want %q", kept, tt.keeps)
			}
		})
	}
}

func TestOpenSaysWhatTheStoreDependsOn(t *testing.T) {
	s := newShelf(t)
	s.unsure = "it depends"
	if _, _, why := open(nil, s, at(0, 0)); !strings.HasSuffix(why, "; it depends") {
		t.Errorf("said %q", why)
	}
}

func TestOpenLeavesWhatIsNotOursAlone(t *testing.T) {
	s := newShelf(t)
	memory, err := sealed([]byte("a socket, say"))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	foreign := copyOf(memory, "api")
	defer foreign.Close()
	s.put(t, prefix+"1", encoded(t, tokens("a", "1")))
	files := append(s.handed(), foreign)
	if _, got, why := open(files, s, at(0, 0)); len(got) != 1 || why != "" || len(s.done) > 0 {
		t.Errorf("took %v, said %q, did %q", got, why, s.done)
	}
	if _, err := foreign.Stat(); err != nil {
		t.Errorf("the foreign file is gone: %v", err)
	}
	if _, err := files[0].Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ours is still open: %v", err)
	}
}
