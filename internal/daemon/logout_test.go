package daemon

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
)

func TestLogoutLeavesLoginsThatAreNotOurs(t *testing.T) {
	const (
		byAWS   = `"auth": "QVdTOnRva2Vu"`     // AWS:token
		byOther = `"auth": "amVua2luczp3b3Jk"` // jenkins:word
	)
	path := filepath.Join(t.TempDir(), "config.json")
	c := parse(t, strings.ReplaceAll(registries, "FILE", path))
	before := `{"auths": {"` + hostEU + `": {` + byOther + `}, "` + hostUS + `": {` + byAWS + `}, "` + further + `": {` + byAWS + `},
		"registry.example.com": {` + byAWS + `}, "docker.io": {` + byOther + `}}}`
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Auths map[string]struct{ Auth string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{hostEU: true, hostUS: false, further: false, "registry.example.com": true, "docker.io": true} {
		if got := file.Auths[host].Auth != ""; got != want {
			t.Errorf("the login of %s is there: %v, want %v", host, got, want)
		}
	}
}

func TestLogoutSaysWhatIsLeft(t *testing.T) {
	var asked []string
	trouble := &fault.Error{Reason: fault.Local, Op: "forget", Err: errors.New("this kind cannot")}
	c, err := config.Parse("test.yaml", []byte("registries: [{region: us-east-1, account: '111122223333'}]"), config.Kinds{{Type: "fake", Default: true,
		Read: func(*config.Block) config.Options { return holder{"p", &asked, trouble} }}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Logout(t.Context()); !errors.Is(err, trouble) || !slices.Equal(asked, []string{"forget " + hostUS}) {
		t.Errorf("%v, asked %q", err, asked)
	}
}
