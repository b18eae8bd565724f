package dockerconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// account is what the file system has to know about a user.
type account struct {
	name     string
	uid, gid int
	groups   []int // supplementary, gid possibly among them
	home     string
}

var errUnknownAccount = errors.New("no such account")

// directoryWait bounds one question to a directory service: some hang for
// minutes while their server is away.
const directoryWait = 5 * time.Second

// lookupAccount finds the account in /etc/passwd, or with getent where the host
// has its accounts from a directory service: a binary without cgo cannot ask one
// itself. The error wraps errUnknownAccount when both say no.
func lookupAccount(ctx context.Context, name string) (*account, error) {
	u, err := user.Lookup(name)
	if err == nil {
		groups, err := u.GroupIds()
		if err != nil {
			return nil, fmt.Errorf("look up groups of %q: %w", name, err)
		}
		return newAccount(name, u.Uid, u.Gid, groups, u.HomeDir)
	}
	if unknown := user.UnknownUserError(""); !errors.As(err, &unknown) {
		return nil, fmt.Errorf("look up account %q: %w", name, err)
	}
	line, err := ask(ctx, "getent", "passwd", name)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", name, err)
	}
	fields := strings.Split(line, ":")
	if len(fields) < 6 {
		return nil, fmt.Errorf("account %q: getent answered with %d fields", name, len(fields))
	}
	groups, err := ask(ctx, "id", "-G", name)
	if err != nil {
		return nil, fmt.Errorf("groups of %q: %w", name, err)
	}
	return newAccount(name, fields[2], fields[3], strings.Fields(groups), fields[5])
}

// ask runs a command and gives the first line that it prints. The error wraps
// errUnknownAccount when the command is not there or exits without success.
func ask(ctx context.Context, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, directoryWait)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%q: %w", strings.Join(command, " "), ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("%w: %q: %w", errUnknownAccount, strings.Join(command, " "), err)
	}
	line, _, _ := bytes.Cut(out, []byte{'\n'})
	return string(line), nil
}

func newAccount(name, uid, gid string, groups []string, home string) (*account, error) {
	a := &account{name: name, home: home}
	var err error
	if a.uid, err = parseID(uid); err != nil {
		return nil, fmt.Errorf("user id of %q: %w", name, err)
	}
	if a.gid, err = parseID(gid); err != nil {
		return nil, fmt.Errorf("group id of %q: %w", name, err)
	}
	for _, g := range groups {
		id, err := parseID(g)
		if err != nil {
			return nil, fmt.Errorf("groups of %q: %w", name, err)
		}
		a.groups = append(a.groups, id)
	}
	return a, nil
}

// parseID reads a user or group id. The largest number means "none" to the
// kernel and is no id.
func parseID(s string) (int, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("%q is not an id", s)
	}
	return int(id), nil
}
