// Package osuser knows the users and groups of this host by name and by id:
// from /etc/passwd and /etc/group, or with getent where a directory service has
// them. It keeps nothing in memory and decides nothing about what an account may
// do; that is in access.
package osuser

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"
)

// Account is what the file system has to know about a user.
type Account struct {
	Name     string
	UID, GID int
	Groups   []int // supplementary, GID possibly among them
	Home     string
}

// ErrUnknown says that neither the files nor a directory service know the name or id.
var ErrUnknown = errors.New("no such account or group")

// Lookup finds an account by its name. The error wraps ErrUnknown when there is
// none; any other error says that it could not be found out. It takes 5 seconds
// at most for each of two questions to a directory service.
func Lookup(ctx context.Context, name string) (*Account, error) {
	a, u, err := find(ctx, name)
	if err != nil {
		return nil, err
	}
	var groups []string
	if u != nil {
		groups, err = u.GroupIds()
	} else {
		var text string
		text, err = ask(ctx, "id", "-G", name)
		groups = strings.Fields(text)
	}
	if err != nil {
		return nil, fmt.Errorf("look up groups of %q: %w", name, err)
	}
	for _, g := range groups {
		id, err := ParseID(g)
		if err != nil {
			return nil, fmt.Errorf("groups of %q: %w", name, err)
		}
		a.Groups = append(a.Groups, id)
	}
	return a, nil
}

// UID finds the id of an account by its name, which is one question less than
// Lookup asks. Errors and times are those of Lookup. With a ctx that has ended it
// still finds what is in the file.
func UID(ctx context.Context, name string) (int, error) {
	a, _, err := find(ctx, name)
	if err != nil {
		return 0, err
	}
	return a.UID, nil
}

// find returns an account without its groups, and the user.User when it is in the
// file.
func find(ctx context.Context, name string) (*Account, *user.User, error) {
	if err := checkName(name); err != nil {
		return nil, nil, err
	}
	u, err := user.Lookup(name)
	if err == nil {
		a, err := newAccount(name, u.Uid, u.Gid, u.HomeDir)
		return a, u, err
	}
	if !notInFile(err) {
		return nil, nil, fmt.Errorf("look up account %q: %w", name, err)
	}
	line, err := ask(ctx, "getent", "passwd", name)
	if err != nil {
		return nil, nil, fmt.Errorf("account %q: %w", name, err)
	}
	a, err := ParseUser(line)
	if err != nil {
		return nil, nil, fmt.Errorf("account %q: %w", name, err)
	}
	a.Name = name // the directory's may differ in case
	return a, nil, nil
}

// Group finds the id of a group by its name; a number is taken for the id
// itself, whether or not it has a name. Errors and times are those of UID.
func Group(ctx context.Context, name string) (int, error) {
	if id, err := ParseID(name); err == nil {
		return id, nil
	}
	if err := checkName(name); err != nil {
		return 0, err
	}
	if g, err := user.LookupGroup(name); err == nil {
		return ParseID(g.Gid)
	} else if !notInFile(err) {
		return 0, fmt.Errorf("look up group %q: %w", name, err)
	}
	line, err := ask(ctx, "getent", "group", name)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", name, err)
	}
	_, id, _, err := ParseGroup(line)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", name, err)
	}
	return id, nil
}

// Name finds the name of a user id, for messages. Errors and times are those of UID.
func Name(ctx context.Context, uid int) (string, error) {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username, nil
	} else if !notInFile(err) {
		return "", fmt.Errorf("look up uid %d: %w", uid, err)
	}
	line, err := ask(ctx, "getent", "passwd", id)
	if err != nil {
		return "", fmt.Errorf("uid %d: %w", uid, err)
	}
	a, err := ParseUser(line)
	if err != nil {
		return "", fmt.Errorf("uid %d: %w", uid, err)
	}
	return a.Name, nil
}

// ParseID reads a user or group id. The largest number means "none" to the
// kernel and is no id.
func ParseID(s string) (int, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("%q is not an id", s)
	}
	return int(id), nil
}

// checkName refuses what no account or group is called and getent could take for
// something else.
func checkName(name string) error {
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":\n\x00") {
		return fmt.Errorf("%w: %q is not a name", ErrUnknown, name)
	}
	return nil
}

// notInFile reports whether err says that /etc/passwd or /etc/group has no such
// entry, or is not there.
func notInFile(err error) bool {
	var (
		name  user.UnknownUserError
		uid   user.UnknownUserIdError
		group user.UnknownGroupError
	)
	return errors.As(err, &name) || errors.As(err, &uid) || errors.As(err, &group) || errors.Is(err, fs.ErrNotExist)
}

func newAccount(name, uid, gid, home string) (*Account, error) {
	a := &Account{Name: name, Home: home}
	var err error
	if a.UID, err = ParseID(uid); err != nil {
		return nil, fmt.Errorf("user id of %q: %w", name, err)
	}
	if a.GID, err = ParseID(gid); err != nil {
		return nil, fmt.Errorf("group id of %q: %w", name, err)
	}
	return a, nil
}
