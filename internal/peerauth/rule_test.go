package peerauth

import (
	"context"
	"strings"
	"testing"

	"ecr-refreshd/internal/osuser"
)

// testDirectory knows jane (1001), nobody (65534), group ci (2001) and nogroup
// (65534), and runs as uid self.
func testDirectory(self uint32, s strangers) *Directory {
	look := func(table map[string]uint32) *memo[string, uint32] {
		return newMemo(func(_ context.Context, name string) (uint32, error) {
			if id, ok := table[name]; ok {
				return id, nil
			}
			return 0, osuser.ErrUnknown
		})
	}
	return &Directory{
		users:  look(map[string]uint32{"jane": 1001, "nobody": 65534}),
		groups: look(map[string]uint32{"ci": 2001, "nogroup": 65534}),
		names: newMemo(func(_ context.Context, uid uint32) (string, error) {
			if name, ok := map[uint32]string{1001: "jane", 65534: "nobody"}[uid]; ok {
				return name, nil
			}
			return "", osuser.ErrUnknown
		}),
		strangers: func() strangers { return s },
		self:      self,
	}
}

func TestAllows(t *testing.T) {
	whole, part := strangers{-1, -1}, strangers{65534, 65534}
	all := []string{"jane", "nobody", "65534", "1003", "ghost"}
	allGroups := []string{"ci", "nogroup", "65534", "2003", "ghosts"}
	tests := []struct {
		name          string
		self          uint32
		strangers     strangers
		users, groups []string
		peer          Peer
		want          bool
	}{
		{"root", 990, whole, nil, nil, Peer{UID: 0}, true},
		{"the daemon's own user", 990, whole, nil, nil, Peer{UID: 990, GID: 1}, true},
		{"anybody else", 990, whole, nil, nil, Peer{UID: 1001, GID: 1001}, false},
		{"root's group is not root", 990, whole, nil, nil, Peer{UID: 1001, GID: 0, Groups: []uint32{0}}, false},
		{"a user by name", 0, whole, all, nil, Peer{UID: 1001, GID: 1}, true},
		{"a user by number", 0, whole, all, nil, Peer{UID: 1003, GID: 1}, true},
		{"a user that is not listed", 0, whole, all, allGroups, Peer{UID: 1002, GID: 1}, false},
		{"the first group by name", 0, whole, nil, allGroups, Peer{UID: 1002, GID: 2001}, true},
		{"a further group by name", 0, whole, nil, allGroups, Peer{UID: 1002, GID: 1, Groups: []uint32{5, 2001}}, true},
		{"a further group by number", 0, whole, nil, allGroups, Peer{UID: 1002, GID: 1, Groups: []uint32{2003}}, true},
		{"a user's number is no group's", 0, whole, []string{"2003"}, nil, Peer{UID: 1002, GID: 2003}, false},
		{"names that do not exist match nobody", 0, whole, []string{"ghost"}, []string{"ghosts"}, Peer{UID: 1002, GID: 1}, false},
		{"nobody, where every id has a place", 0, whole, all, nil, Peer{UID: 65534, GID: 1}, true},
		{"a stranger is not nobody", 0, part, all, allGroups, Peer{UID: 65534, GID: 65534, Groups: []uint32{65534}}, false},
		{"a stranger is not the daemon's own user nobody", 65534, part, nil, nil, Peer{UID: 65534, GID: 65534}, false},
		{"a stranger is not root", 0, strangers{0, 0}, nil, []string{"0"}, Peer{}, false},
		{"a stranger in a group of ours", 0, part, nil, allGroups, Peer{UID: 65534, GID: 65534, Groups: []uint32{2001}}, true},
		{"one of ours among strangers", 0, part, all, nil, Peer{UID: 1001, GID: 65534}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := testDirectory(tt.self, tt.strangers).Rule(tt.users, tt.groups)
			if got := r.Allows(t.Context(), tt.peer); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestARefusalNamesWhoAskedAndWhatToAdd(t *testing.T) {
	r := testDirectory(0, strangers{65534, 65534}).Rule(nil, nil)
	tests := []struct {
		name       string
		peer       Peer
		text, hint string
	}{
		{"with a name", Peer{PID: 4711, UID: 1001}, `user jane (uid 1001), process 4711 may not have the login of "h"`, `add "jane" to`},
		{"named already", Peer{PID: 4711, UID: 1001, Name: "j.doe"}, `user j.doe (uid 1001), process 4711 may not have the login of "h"`, `add "j.doe" to`},
		{"without a name", Peer{UID: 1002}, `uid 1002 may not have the login of "h"`, `add "1002" to`},
		{"a stranger", Peer{UID: 65534}, `uid 65534 may not have the login of "h"`, "user namespace"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := r.Refuse(t.Context(), "h", tt.peer)
			if err.Error() != tt.text || !strings.Contains(err.Hint(), tt.hint) {
				t.Errorf("got %q, hint %q", err, err.Hint())
			}
		})
	}
}

func TestStranger(t *testing.T) {
	tests := []struct {
		name, idMap, overflow string
		want                  int64
	}{
		{"the whole range", "         0          0 4294967295\n", "65534\n", -1},
		{"the whole range in two", "0 0 1\n1 1 4294967294\n", "65534\n", -1},
		{"one user", "0 1000 1\n", "65534\n", 65534},
		{"a container", "0 100000 65536\n", "65534\n", 65534},
		{"another overflow", "0 100000 65536\n", "99\n", 99},
		{"nothing to read", "", "", 65534},
		{"nonsense", "a b c\n0 0 x\n", "many\n", 65534},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := stranger(tt.idMap, tt.overflow); got != tt.want {
				t.Errorf("got %d", got)
			}
		})
	}
}

func FuzzStranger(f *testing.F) {
	f.Add("0 0 4294967295\n", "65534")
	f.Fuzz(func(t *testing.T, idMap, overflow string) {
		if got := stranger(idMap, overflow); got < -1 || got > 1<<32-1 {
			t.Errorf("got %d", got)
		}
	})
}

func BenchmarkAllows(b *testing.B) {
	r := testDirectory(0, strangers{-1, -1}).Rule([]string{"jane"}, []string{"ci"})
	p := Peer{UID: 1002, GID: 1002, Groups: []uint32{5, 6, 7, 8, 2001}}
	for b.Loop() {
		if !r.Allows(b.Context(), p) {
			b.Fatal("refused")
		}
	}
}
