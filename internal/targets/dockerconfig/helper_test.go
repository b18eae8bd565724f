package dockerconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// newHelper keeps config.json in a new directory.
func newHelper(t *testing.T) (h *Helper, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), ".docker", "config.json")
	return helperAt(t, path), path
}

func helperAt(t *testing.T, path string) *Helper {
	t.Helper()
	h, err := NewHelper(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// loginsOf are logins of which only the hosts matter.
func loginsOf(hosts ...string) (all []login.Login) {
	for _, h := range hosts {
		all = append(all, loginFor(h, "s3cret"))
	}
	return all
}

// wantStored stores, and wants it to last.
func wantStored(t *testing.T, h *Helper, hosts ...string) {
	t.Helper()
	if err := h.Store(t.Context(), loginsOf(hosts...)); err != nil {
		t.Fatal(err)
	}
	wantHelp(t, h, true, hosts...)
}

func wantHelp(t *testing.T, h *Helper, want bool, hosts ...string) {
	t.Helper()
	if stale, err := h.Stale(t.Context(), loginsOf(hosts...)); err != nil || stale == want {
		t.Errorf("stale: got %v, %v; want %v", stale, err, !want)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got := compact(t, parsed(t, []byte(read(t, path)))); got != withHelper(want) {
		t.Errorf("the file is %s, want %s", got, withHelper(want))
	}
}

func TestAHelperIsNamedAndTakenBack(t *testing.T) {
	h, path := newHelper(t)
	wantHelp(t, h, false, hostA)
	wantStored(t, h, hostA, hostB)
	wantFile(t, path, `{"credHelpers":{"H":"us","`+hostB+`":"us"}}`)
	if mode(t, path) != 0o600 || mode(t, filepath.Dir(path)) != 0o700 {
		t.Errorf("modes %o and %o", mode(t, path), mode(t, filepath.Dir(path)))
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	wantStored(t, h, hostA)
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("a store that changes nothing has written the file: %v", err)
	}
	wantTidy(t, path)
	if err := h.Release(t.Context(), loginsOf(hostB)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, `{"credHelpers":{"H":"us"}}`)
	wantHelp(t, h, true, hostA)
	wantHelp(t, h, false, hostB)
	if _, removes := any(h).(renew.Remover); removes {
		t.Error("an entry would go with its token")
	}
}

func TestAnEarlierHelperIsNamedAndDoesNotComeBack(t *testing.T) {
	h, path := newHelper(t)
	write(t, path, withHelper(`{"credHelpers":{"H":"ecr-login","o":"pass","`+hostB+`":"osxkeychain"},"psFormat":"x"}`))
	record := filepath.Join(filepath.Dir(path), ".config.json.ecr-refreshd.json")
	write(t, record, `{}`)
	wantStored(t, h, hostA)
	if got := h.Warning(t.Context()); !strings.Contains(got, `"ecr-login" was replaced in `+path) {
		t.Errorf("got %q", got)
	}
	wantTidy(t, path) // what an earlier version kept there is gone
	wantFile(t, path, `{"credHelpers":{"H":"us","o":"pass","`+hostB+`":"osxkeychain"},"psFormat":"x"}`)
	if err := h.Release(t.Context(), loginsOf(hostA)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, `{"credHelpers":{"o":"pass","`+hostB+`":"osxkeychain"},"psFormat":"x"}`)
	if got := h.Warning(t.Context()); got != "" {
		t.Errorf("said again: %q", got)
	}
}

func TestConfigureAndUndoReportWhatTheyDo(t *testing.T) {
	const file = `{"auths":{"https://H/v2/":{"auth":"czNjcmV0OnMzY3JldA=="},"third":{}},"credsStore":"pass","credHelpers":{"` +
		hostB + `":"ecr-login","fourth":"","fifth":"ecr-refreshd"}}`
	h, path := newHelper(t)
	write(t, path, withHelper(file))
	all := []string{hostB, hostA, "third", "fourth", "fifth"}
	login := `overrules the login under "auths", which stays in the file but is no longer read`
	configured := path + ":\n" +
		"  added   " + hostA + `: overrules credsStore "pass" and ` + login + "\n" +
		"  added   " + hostB + `: replaces the helper "ecr-login" (--undo does not bring it back)` + "\n" +
		`  present fifth: overrules credsStore "pass"` + "\n" +
		"  added   fourth\n" +
		`  added   third: overrules credsStore "pass"`
	tests := []struct {
		name string
		do   func() (Report, error)
		want string
	}{
		{"configure", func() (Report, error) { return h.Configure(t.Context(), all) }, configured},
		{"again", func() (Report, error) { return h.Configure(t.Context(), all) }, strings.NewReplacer("added  ", "present",
			`replaces the helper "ecr-login" (--undo does not bring it back)`, `overrules credsStore "pass"`, "fourth", `fourth: overrules credsStore "pass"`).Replace(configured)},
		{"undo", func() (Report, error) { return h.Undo(t.Context()) }, path + ":\n" +
			"  removed " + hostA + "\n" +
			"  removed " + hostB + "\n" +
			"  removed fifth\n" +
			"  removed fourth\n" +
			"  removed third"},
		{"undo again", func() (Report, error) { return h.Undo(t.Context()) }, path + ": nothing to do"},
	}
	for _, tt := range tests {
		got, err := tt.do()
		if err != nil || got.String() != tt.want {
			t.Errorf("%s: %v; got\n%s\nwant\n%s", tt.name, err, got, tt.want)
		}
		if out, err := json.Marshal(got); err != nil || strings.Contains(string(out), "czNj") {
			t.Errorf("%s: %s, %v", tt.name, out, err)
		}
	}
	wantFile(t, path, file[:strings.Index(file, `,"credHelpers"`)]+"}")
	wantTidy(t, path)
}

func TestTheReportAsJSON(t *testing.T) {
	report := newReport("/f", map[string]HostReport{
		"b": {Host: "b", Action: Removed},
		"a": {Host: "a", Action: Added, Overrules: Overruled{Helper: "y", CredsStore: "z", Auths: true}},
		"c": {Host: "c", Action: Present},
	})
	got, err := json.Marshal(report)
	want := `{"file":"/f","hosts":[{"host":"a","action":"added","overrules":{"helper":"y","creds_store":"z","auths":true}},` +
		`{"host":"b","action":"removed"},{"host":"c","action":"present"}]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if none, err := json.Marshal(newReport("/f", nil)); err != nil || string(none) != `{"file":"/f","hosts":[]}` {
		t.Errorf("nothing: %s, %v", none, err)
	}
}

func TestUndoWhereThereIsNothing(t *testing.T) {
	h, path := newHelper(t)
	if r, err := h.Undo(t.Context()); err != nil || len(r.Hosts) != 0 || r.File != path {
		t.Errorf("no directory: %v, %v", r, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if r, err := h.Undo(t.Context()); err != nil || len(r.Hosts) != 0 {
		t.Errorf("no file: %v, %v", r, err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestWhatDockerCannotReadIsReported(t *testing.T) {
	tests := []struct{ name, file, hint, want string }{
		{"a list", `{"credHelpers":["s3cret"]}`, "correct", `{"credHelpers":["s3cret"]}`},
		{"a list in other spelling", `{"CREDHELPERS":["s3cret"]}`, "correct", `{"CREDHELPERS":["s3cret"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, path := newHelper(t)
			write(t, path, tt.file)
			wantFault(t, h.Store(t.Context(), loginsOf(hostA)), nil, tt.hint)
			wantFault(t, h.Store(t.Context(), loginsOf(hostA)), nil, tt.hint)
			wantHelp(t, h, false, hostA)
			wantFile(t, path, tt.want)
		})
	}
}

func TestTokenAndHelperInOneFileDoNotFight(t *testing.T) {
	h, path := newHelper(t)
	target := targetAt(t, path)
	write(t, path, withHelper(`{"credsStore":"pass","credHelpers":{"H":"ecr-login"}}`))
	both := logins("pw")
	var turns sync.WaitGroup
	for range 5 {
		turns.Go(func() { _ = target.Store(t.Context(), both) }) // hidden by the others, until ours is there
		turns.Go(func() {
			if err := h.Store(t.Context(), both); err != nil {
				t.Error(err)
			}
		})
	}
	turns.Wait()
	store(t, target, both...)
	before := read(t, path)
	for range 3 {
		wantStale(t, target, false, both...)
		wantHelp(t, h, true, hostA, hostB)
		store(t, target, both...)
		wantStored(t, h, hostA, hostB)
	}
	if read(t, path) != before {
		t.Error("they change what the other wrote")
	}
	if err := target.Release(t.Context(), both); err != nil || len(auths(t, path)) != 0 {
		t.Errorf("the tokens are still there: %v", err)
	}
	wantHelp(t, h, true, hostA, hostB)
}
