package dockerconfig

import "testing"

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
	wantOwner(t, r.path)
	wantFile(t, r.path, `{"credHelpers":{"H":"us"}}`)
	if _, err := h.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, r.path)
	wantFile(t, r.path, `{}`)
	wantTidy(t, r.path)
	wantOnlyRootThreads(t)
}
