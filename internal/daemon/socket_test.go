package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/peerauth"
)

func TestTheSocketComesBackAndMoves(t *testing.T) {
	d := start(t, registries, Options{Version: "1.2.3"})
	path := filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), socketName)
	answers := func(path string) bool {
		r, err := api.Dial([]string{path}).Status(t.Context())
		return err == nil && r.Version == "1.2.3" && len(r.Registries) == 3
	}
	await(t, "the socket", func() bool { return answers(path) })
	other := filepath.Join(t.TempDir(), "other.sock")
	if err := d.Reload(t.Context(), parse(t, registries+fmt.Sprintf("socket: {path: %q}\n", other))); err != nil {
		t.Fatal(err)
	}
	await(t, "the other socket", func() bool { return answers(other) })
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the former socket is still there (%v)", err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	await(t, "the removed socket", func() bool { return answers(other) })
}

func TestASocketThatCannotBeMadeIsInTheStatus(t *testing.T) {
	d := start(t, registries+"socket: {path: /dev/null/ecr-refreshd.sock}\n", Options{})
	await(t, "the cause", func() bool { return d.Status().Socket.Error != nil })
	if s := d.Status().Socket; s.Path != "" || s.Error.Hint == "" {
		t.Errorf("got %+v, %+v", s, s.Error)
	}
}

func TestASocketOfTheServiceManagerIsServedAndLeftInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "activated.sock")
	made, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := made.(*net.UnixListener).File() // as a service manager has it, in a process of its own
	if err != nil {
		t.Fatal(err)
	}
	passed, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("served", func(t *testing.T) {
		d := start(t, registries, Options{Socket: passed})
		await(t, "an answer", func() bool {
			r, err := api.Dial([]string{path}).Status(t.Context())
			return err == nil && len(r.Registries) == 3
		})
		if err := d.Reload(t.Context(), parse(t, registries+"socket: {path: /nonexistent/socket}\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := api.Dial([]string{path}).Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the service manager's socket is gone: %v", err)
	}
}

func TestWhatMakesAnotherSocket(t *testing.T) {
	base := parse(t, registries)
	for yaml, want := range map[string]bool{
		"":                                false,
		"socket: {path: /run/other.sock}": true,
		"socket: {group: '0'}":            true,
		"socket: {mode: '0600'}":          true,
	} {
		if got := !sameSocket(base, parse(t, registries+yaml+"\n")); got != want {
			t.Errorf("%q: %v, want %v", yaml, got, want)
		}
	}
}

// The group that may connect is not let in to secrets where somebody is named.
func TestTheSocketsGroupIsAllowedOnlyWhereNobodyIsNamed(t *testing.T) {
	const group, other = "socket: {group: '1000001'", "{users: ['1000002']}"
	member, named := peerauth.Peer{UID: 5, GID: 1000001}, peerauth.Peer{UID: 1000002, GID: 5}
	further := peerauth.Peer{UID: 5, GID: 5, Groups: []uint32{1000001}}
	tests := []struct {
		name, yaml    string
		member, named bool
	}{
		{"nobody is named", "registries: [{region: us-east-1, account: '111122223333'}]\n" + group + "}", true, false},
		{"empty lists name nobody", "registries: [{region: us-east-1, account: '111122223333'}]\n" + group + ", allow: {users: [], groups: []}}", true, false},
		{"the socket names a user", "registries: [{region: us-east-1, account: '111122223333'}]\n" + group + ", allow: " + other + "}", false, true},
		{"the socket names another group", "registries: [{region: us-east-1, account: '111122223333'}]\n" + group + ", allow: {groups: ['7']}}", false, false},
		{"the registry names a user", "registries: [{region: us-east-1, account: '111122223333', allow: " + other + "}]\n" + group + "}", false, true},
		{"both do, and the registry's counts", "registries: [{region: us-east-1, account: '111122223333', allow: {users: ['8']}}]\n" + group +
			", allow: " + other + "}", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := generationOf(t, tt.yaml+"\ntargets: [{type: docker-config, path: /a/config.json}]\n")
			for _, who := range []struct {
				peerauth.Peer
				want bool
			}{{member, tt.member}, {further, tt.member}, {named, tt.named}} {
				if _, err := g.allowed(t.Context(), hostUS, who.Peer); (err == nil) != who.want {
					t.Errorf("%v: %v, want %v", who.Peer, err, who.want)
				}
			}
		})
	}
}
