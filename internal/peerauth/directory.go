package peerauth

import (
	"context"
	"os"
	"sync"

	"ecr-refreshd/internal/osuser"
)

// Directory turns names of users and groups into ids, remembers the answers for
// some seconds, and knows whose ids are to be trusted. One is meant for all the
// rules of a process, past reloads. Safe for concurrent use.
type Directory struct {
	users, groups *memo[string, uint32]
	names         *memo[uint32, string]
	strangers     func() strangers
	self          uint32
}

// NewDirectory makes one that asks the host it runs on. It looks nothing up yet.
func NewDirectory() *Directory {
	names := newMemo(func(ctx context.Context, uid uint32) (string, error) {
		return osuser.Name(ctx, int(uid))
	})
	names.hasty = true // they serve messages only, and whoever connects chooses their number
	return &Directory{
		users: newMemo(func(ctx context.Context, name string) (uint32, error) {
			id, err := osuser.UID(ctx, name)
			return uint32(id), err
		}),
		groups: newMemo(func(ctx context.Context, name string) (uint32, error) {
			id, err := osuser.Group(ctx, name)
			return uint32(id), err
		}),
		names:     names,
		strangers: sync.OnceValue(readStrangers),
		self:      uint32(os.Geteuid()),
	}
}

// Privileged reports whether p is root or the user that this process runs as.
func (d *Directory) Privileged(p Peer) bool {
	return (p.UID == 0 || p.UID == d.self) && !d.strangers().isUser(p.UID)
}

// Named gives p with the name of its user, where it has one and nobody else asks just now.
func (d *Directory) Named(ctx context.Context, p Peer) Peer {
	if p.Name == "" && !d.strangers().isUser(p.UID) {
		p.Name, _ = d.names.get(ctx, p.UID)
	}
	return p
}

// Rule makes a rule that allows these users and groups, each a name or a number,
// and whoever is Privileged. A name that does not exist matches nobody until it
// does.
func (d *Directory) Rule(users, groups []string) *Rule {
	r := &Rule{directory: d}
	r.uids, r.users = sortOut(users)
	r.gids, r.groups = sortOut(groups)
	return r
}

// sortOut tells numbers and names apart.
func sortOut(list []string) (ids []uint32, names []string) {
	for _, s := range list {
		if id, err := osuser.ParseID(s); err == nil {
			ids = append(ids, uint32(id))
		} else {
			names = append(names, s)
		}
	}
	return ids, names
}
