package dockerconfig

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRecordsAreReadStrictly(t *testing.T) {
	tests := []struct {
		name, file string
		want       record
		ok         bool
	}{
		{"nothing", ``, nil, true},
		{"empty", `{}`, nil, true},
		{"credHelpers without entries", `{"credHelpers":{}}`, record{}, true},
		{"entries", `{"credHelpers":{"a":"x","b":""}}`, record{"a": "x", "b": ""}, true},
		{"another key", `{"credHelpers":{},"auths":{}}`, nil, false},
		{"another spelling", `{"CredHelpers":{}}`, nil, false},
		{"a list", `{"credHelpers":[]}`, nil, false},
		{"null", `{"credHelpers":null}`, nil, false},
		{"a number", `{"credHelpers":{"a":1}}`, nil, false},
		{"null for a helper", `{"credHelpers":{"a":null}}`, nil, false},
		{"our own helper", `{"credHelpers":{"a":"ecr-refreshd"}}`, nil, false},
	}
	for _, tt := range tests {
		got, err := parsed(t, []byte(tt.file)).record()
		if (err == nil) != tt.ok || !maps.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%s: got %#v, %v", tt.name, got, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, seed := range []string{"", `{"credHelpers":{"a":"x","a":"\u0000"}}`, `{"credHelpers":{"a":null}}`, `{"auths":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parseDocument(data)
		if err != nil {
			return
		}
		r, err := doc.record()
		if err != nil {
			if !errors.As(err, new(*problem)) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		again, err := parsed(t, r.object().render(0)).record()
		if err != nil || !maps.Equal(again, r) || (again == nil) != (r == nil) {
			t.Fatalf("%v is written and read as %v, %v", r, again, err)
		}
	})
}

func recordPath(path string) string {
	return filepath.Join(filepath.Dir(path), recordName(filepath.Base(path)))
}

func TestARecordThatIsNoneIsReportedAndHarmsNobody(t *testing.T) {
	const file = `{"credHelpers":{"` + hostA + `":"ecr-login"}}`
	put := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	tests := []struct {
		name  string
		make  func(path string) error
		cause error
	}{
		{"not JSON", put(`{"s3cret`), nil},
		{"a list", put(`["s3cret"]`), nil},
		{"something else", put(`{"s3cret":1}`), errNoRecord},
		{"our own helper", put(`{"credHelpers":{"` + hostA + `":"ecr-refreshd"}}`), errNoRecord},
		{"FIFO", func(p string) error { return unix.Mkfifo(p, 0o600) }, errNotRegular},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, errNotRegular},
		{"link", func(p string) error { return os.Symlink("config.json", p) }, errNotRegular},
		{"too large", func(p string) error { return errors.Join(put("{}")(p), os.Truncate(p, maxSize+1)) }, errTooLarge},
		{"too many members", put(`{"credHelpers":` + stuffed("k", maxMembers, 0) + `}`), errTooMany},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each may wait until a broken file is surely finished
			h, path := newHelper(t)
			write(t, path, file)
			if err := tt.make(recordPath(path)); err != nil {
				t.Fatal(err)
			}
			_, err := h.Configure(t.Context(), []string{hostA})
			wantFault(t, err, tt.cause, "delete the file "+filepath.Base(recordPath(path)))
			if read(t, path) != file {
				t.Error("the file was changed")
			}
			write(t, path, withHelper(`{"credHelpers":{"H":"us"}}`))
			wantStored(t, h, hostA) // for which no record is needed
			_, err = h.Undo(t.Context())
			wantFault(t, err, tt.cause, "delete the file")
			if err := os.RemoveAll(recordPath(path)); err != nil {
				t.Fatal(err)
			}
			if r, err := h.Undo(t.Context()); err != nil || len(r.Hosts) != 1 || r.Hosts[0].Action != Removed {
				t.Errorf("without it: %v, %v", r, err)
			}
			if read(t, path) != "{}" {
				t.Errorf("the file is %s", read(t, path))
			}
			wantTidy(t, path)
		})
	}
}
