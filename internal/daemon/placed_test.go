package daemon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/placed"
	"ecr-refreshd/internal/renew"
	"ecr-refreshd/internal/targets"
)

// basic is a login as config.json has it.
func basic(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("AWS:" + password))
}

func TestWhatAFormerProcessHasPlacedEnds(t *testing.T) {
	dir := t.TempDir()
	file, record := filepath.Join(dir, "config.json"), filepath.Join(dir, "placed.json")
	text := `registries: [{account: "111122223333", region: us-east-1}]` + "\n" + `targets: [{type: docker-config, path: ` + file + `}]`
	c, err := config.Parse("c.yaml", []byte(text), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(c.Targets[0].Options)
	if err != nil {
		t.Fatal(err)
	}
	known := func(password string, expires time.Time) placed.Token {
		return placed.Token{Digest: login.Token{Username: "AWS", Secret: login.NewSecret(password)}.Digest(), ExpiresAt: expires}
	}
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	const gone = "999988887777.dkr.ecr.us-east-1.amazonaws.com"
	tests := []struct {
		name                string
		kept, left, foreign string // the passwords of hostUS, of a registry that is gone, and of neither
		tokens              []placed.Token
		want                []string // whose login is still there
	}{
		{"an expired login goes, whose ever", "a", "a", "a", []placed.Token{known("a", past)}, []string{"foreign"}},
		{"one that is good goes where nobody keeps it", "a", "a", "a", []placed.Token{known("a", future)}, []string{"kept", "foreign"}},
		{"the token before the last, where the last was not stored", "a", "a", "a", []placed.Token{known("b", future), known("a", past)}, []string{"foreign"}},
		{"a login of somebody's own stays", "mine", "mine", "mine", []placed.Token{known("b", past), known("a", past)}, []string{"kept", "left", "foreign"}},
		{"nothing is known", "a", "a", "a", nil, []string{"kept", "left", "foreign"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			auths := map[string]any{}
			hosts := map[string]string{"kept": hostUS, "left": gone, "foreign": "other.example.com"}
			for name, password := range map[string]string{"kept": tt.kept, "left": tt.left, "foreign": tt.foreign} {
				auths[hosts[name]] = map[string]string{"auth": basic(password)}
			}
			content, err := json.Marshal(map[string]any{"auths": auths})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			r := placed.Record{Places: []placed.Place{{Type: "docker-config", Options: options}},
				Grants: []placed.Grant{{Key: "k", Tokens: tt.tokens, Held: []placed.Held{{Places: []int{0}, Hosts: []string{hostUS, gone}}}}}}
			if err := r.Write(record); err != nil {
				t.Fatal(err)
			}
			d, err := New(c, Options{Placed: record, Kinds: targets.Kinds})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.ClearFormer(t.Context()); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for name, host := range hosts {
				want := strings.Contains(strings.Join(tt.want, " "), name)
				if got := strings.Contains(string(after), host); got != want {
					t.Errorf("the login of %s (%s) is there: %v, want %v", name, host, got, want)
				}
			}
		})
	}
}

// The record is written by one version and read by the next, for every kind.
func TestTheRecordHasTheOptionsOfEveryKind(t *testing.T) {
	files, err := filepath.Glob("../config/testdata/good/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good configurations: %v", err)
	}
	seen := make(map[string]bool)
	for _, path := range files {
		archive, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split("\n"+string(archive), "\n-- ")[1:] {
			_, text, _ := strings.Cut(part, " --\n")
			c, err := config.Parse(path, []byte(text), targets.Kinds)
			if err != nil {
				continue // what is expected of a file
			}
			for _, target := range c.Targets {
				seen[target.Type] = true
				data, err := json.Marshal(target.Options)
				if err != nil {
					t.Fatal(err)
				}
				got, err := targets.Kinds.Restore(target.Type, data)
				if again, _ := json.Marshal(got); err != nil || got.Place() != target.Options.Place() || string(again) != string(data) {
					t.Errorf("%s: %s is read as %v, %v", path, data, got, err)
				}
			}
		}
	}
	for _, k := range targets.Kinds {
		if !seen[k.Type] {
			t.Errorf("no good configuration has a target of type %s", k.Type)
		}
	}
	if _, err := targets.Kinds.Restore("cloud", nil); err == nil {
		t.Error("a kind that there is not was restored")
	}
}

func TestWithoutAPlaceForTheRecordOneLineSaysSo(t *testing.T) {
	c, err := config.Parse("c.yaml", []byte("registries: [{region: us-east-1}]"), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	d, err := New(c, Options{Placed: "/proc/none/placed.json", Kinds: targets.Kinds, Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ClearFormer(t.Context()); err != nil {
		t.Errorf("nothing was placed before: %v", err)
	}
	for range 2 {
		d.noteFailed(d.note())
	}
	if logs.Len() != 1 || !strings.HasPrefix(logs.All()[0].Message, "record of logins not written") {
		t.Errorf("got %v", logs.All())
	}
}

// A place whose store fails goes on holding the token before.
func TestTheRecordHasTheLastTwoTokens(t *testing.T) {
	c, err := config.Parse("c.yaml", []byte(`registries: [{account: "111122223333", region: us-east-1}]`), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(t.TempDir(), "new", "placed.json")
	var want []login.Digest
	for _, password := range []string{"a", "b", "c"} {
		d, err := New(c, Options{Placed: record, Kinds: targets.Kinds})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.ClearFormer(t.Context()); err != nil {
			t.Fatal(err)
		}
		token := login.Token{Username: "AWS", Secret: login.NewSecret(password), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
		note := func() {
			t.Helper()
			if err := d.note(); err != nil {
				t.Fatal(err)
			}
			r, err := placed.Read(record)
			if err != nil {
				t.Fatal(err)
			}
			var got []login.Digest
			for _, g := range r.Grants {
				for _, known := range g.Tokens {
					got = append(got, known.Digest)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("with %q: got %x, want %x", password, got, want)
			}
		}
		note() // before there is a token
		d.generation().renewers[0].Adopt(token, true)
		want = append([]login.Digest{token.Digest()}, want[:min(len(want), 1)]...)
		note()
		note()
	}
}

// AWS cannot be asked: what lay there at the start is good for a moment, and then is taken away.
func TestALoginOfAFormerProcessEndsWhileThereIsNoOther(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"HOME": dir, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	file, record := filepath.Join(dir, "config.json"), filepath.Join(dir, "placed.json")
	c, err := config.Parse("c.yaml", []byte(`registries: [{account: "111122223333", region: us-east-1}]`+"\n"+
		`targets: [{type: docker-config, path: `+file+`}]`+"\n"+`socket: {path: `+filepath.Join(dir, "socket")+`}`), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(c.Targets[0].Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"auths":{"`+hostUS+`":{"auth":"`+basic("a")+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := placed.Record{Places: []placed.Place{{Type: "docker-config", Options: options}},
		Grants: []placed.Grant{{Key: c.Grants[0].Key(), Held: []placed.Held{{Places: []int{0}, Hosts: []string{hostUS}}}, Tokens: []placed.Token{{
			Digest: login.Token{Username: "AWS", Secret: login.NewSecret("a")}.Digest(), ExpiresAt: began.Add(time.Second)}}}}}
	if err := r.Write(record); err != nil {
		t.Fatal(err)
	}
	d, err := New(c, Options{Placed: record, Kinds: targets.Kinds})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- d.Run(ctx) }()
	await(t, "the end of the login", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && !strings.Contains(string(text), hostUS)
	})
	if time.Since(began) < time.Second {
		t.Error("it was taken away while it was good")
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// One that does not answer is not asked a second time beside the first.
func TestAPlaceOfAFormerProcessIsOneTargetHoweverOftenItIsTried(t *testing.T) {
	dir := t.TempDir()
	c, err := config.Parse("c.yaml", []byte(`registries: [{account: "111122223333", region: us-east-1}]`+"\n"+`targets: [{type: docker-config, path: `+filepath.Join(dir, "config.json")+`}]`), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(c.Targets[0].Options)
	if err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "placed.json")
	if err := (placed.Record{Places: []placed.Place{{Type: "docker-config", Options: options}}}).Write(record); err != nil {
		t.Fatal(err)
	}
	d, err := New(c, Options{Placed: record, Kinds: targets.Kinds})
	if err != nil {
		t.Fatal(err)
	}
	var seen []renew.Target
	for range 2 {
		if err := d.ClearFormer(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen = slices.AppendSeq(seen, maps.Values(d.placed.former))
	}
	if len(seen) != 2 || seen[0] != seen[1] {
		t.Errorf("%d targets, want the same twice", len(seen))
	}
}
