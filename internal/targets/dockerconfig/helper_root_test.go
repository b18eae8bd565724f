package dockerconfig

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// helper is a helper that root keeps in the resident's home.
func (r *resident) helper() *Helper {
	p := *r.place
	p.turn = make(chan struct{}, 1)
	return &Helper{&p}
}

func TestRootNamesTheHelperAsTheAccount(t *testing.T) {
	r := newResident(t)
	h := r.helper()
	r.run(t, withHelper(`mkdir .docker; echo '{"credHelpers":{"H":"ecr-login"}}' >.docker/config.json`))
	wantStored(t, h, hostA)
	for _, path := range []string{r.path, recordPath(r.path)} {
		wantOwner(t, path)
	}
	if mode(t, recordPath(r.path)) != 0o600 {
		t.Errorf("the record has mode %o", mode(t, recordPath(r.path)))
	}
	if _, err := h.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, r.path)
	wantFile(t, r.path, `{"credHelpers":{"H":"ecr-login"}}`)
	wantTidy(t, r.path)
	wantOnlyRootThreads(t)
}

func TestTheRecordLeadsRootNowhere(t *testing.T) {
	const canary = `{"credHelpers":{"` + hostA + `":"canary"}}`
	for _, link := range []string{"ln -s $V/canary $R", "ln -s $V/new $R", "ln -s $V $R", "ln -s /etc/shadow $R"} {
		t.Run(link, func(t *testing.T) {
			r := newResident(t)
			write(t, filepath.Join(r.vault, "canary"), canary)
			if err := os.Chmod(filepath.Join(r.vault, "canary"), 0o644); err != nil {
				t.Fatal(err)
			}
			r.run(t, withHelper("V="+r.vault+" R=.docker/"+recordName("config.json")+`; mkdir .docker; echo '{"credHelpers":{"H":"x"}}' >.docker/config.json; `+link))
			wantFault(t, r.helper().Store(t.Context(), loginsOf(hostA)), errNotRegular, "delete the file")
			r.wantVault(t, canary)
			wantFile(t, r.path, `{"credHelpers":{"H":"x"}}`)
		})
	}
	t.Run("hard link", func(t *testing.T) {
		r := newResident(t)
		write(t, filepath.Join(r.vault, "canary"), canary)
		r.run(t, withHelper(`mkdir .docker; echo '{"credHelpers":{"H":"us"}}' >.docker/config.json`))
		if err := errors.Join(os.Chmod(filepath.Join(r.vault, "canary"), 0o644), os.Link(filepath.Join(r.vault, "canary"), recordPath(r.path))); err != nil {
			t.Fatal(err)
		}
		if _, err := r.helper().Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantVault(t, canary)
		wantTidy(t, r.path)
	})
}

func TestWhatAnAccountInventsInItsRecordConcernsItsOwnFileOnly(t *testing.T) {
	r := newResident(t)
	r.run(t, withHelper(`mkdir .docker; echo '{"credHelpers":{"H":"us","o":"pass"}}' >.docker/config.json;
		echo '{"credHelpers":{"H":"../../x","o":"y","p":"z"}}' >.docker/`+recordName("config.json")))
	if _, err := r.helper().Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFile(t, r.path, `{"credHelpers":{"H":"../../x","o":"pass"}}`)
	wantOwner(t, r.path)
	wantTidy(t, r.path)
}
