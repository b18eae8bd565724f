package peerauth

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Rule says who may have something. Safe for concurrent use.
type Rule struct {
	directory     *Directory
	uids, gids    []uint32
	users, groups []string
}

// Allows reports whether p may. It looks names up when p's number alone does not
// decide, and then takes 2 seconds at most for each name, nearly always nothing.
func (r *Rule) Allows(ctx context.Context, p Peer) bool {
	if r.directory.Privileged(p) {
		return true
	}
	member := r.member(p)
	if slices.Contains(r.uids, p.UID) && r.known(p) || slices.ContainsFunc(r.gids, member) {
		return true
	}
	if r.known(p) && slices.ContainsFunc(r.users, func(name string) bool {
		uid, ok := r.directory.users.get(ctx, name)
		return ok && uid == p.UID
	}) {
		return true
	}
	return slices.ContainsFunc(r.groups, func(name string) bool {
		gid, ok := r.directory.groups.get(ctx, name)
		return ok && member(gid)
	})
}

// known reports whether p's user id belongs to one user only.
func (r *Rule) known(p Peer) bool { return !r.directory.strangers().isUser(p.UID) }

// member tells of a group whether p is in it.
func (r *Rule) member(p Peer) func(gid uint32) bool {
	strangers := r.directory.strangers()
	return func(gid uint32) bool {
		return (gid == p.GID || slices.Contains(p.Groups, gid)) && !strangers.isGroup(gid)
	}
}

// Refuse makes the error for p, who asked for the login of host and may not have it.
func (r *Rule) Refuse(ctx context.Context, host string, p Peer) *Refusal {
	return &Refusal{Host: host, Who: r.directory.Named(ctx, p), stranger: !r.known(p)}
}

// Refusal is the error for somebody who may not have a login.
type Refusal struct {
	Host string
	Who  Peer

	stranger bool // Who's user has no place in this process's user namespace
}

// Error says who asked and for what.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s may not have the login of %q", r.Who, r.Host)
}

// Hint says what a person can write into the configuration.
func (r *Refusal) Hint() string {
	if r.stranger {
		return "this user comes from a user namespace that ecr-refreshd cannot see into: ask as a user of the host, " +
			"or run both in one user namespace"
	}
	who := r.Who.Name
	if who == "" {
		who = strconv.FormatUint(uint64(r.Who.UID), 10)
	}
	return fmt.Sprintf("add %q to allow.users of the registry, or to socket.allow.users where the registry has no "+
		"list of its own, and reload; or add the user to an allowed group and log in again", who)
}
