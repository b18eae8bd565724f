package osuser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	// directoryWait bounds one question to a directory service: some hang for
	// minutes while their server is away.
	directoryWait = 5 * time.Second
	// killWait bounds how long a killed command's children may keep its output open.
	killWait = 500 * time.Millisecond
)

// ask runs a command and gives the first line that it prints. The error wraps
// ErrUnknown when the command is not there or exits without success.
func ask(ctx context.Context, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, directoryWait)
	defer cancel()
	text := strings.Join(command, " ")
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = killWait
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%q: %w", text, ctx.Err())
	}
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.As(err, &exit) && exit.Exited():
		return "", fmt.Errorf("%w: %q: %w", ErrUnknown, text, err)
	case err != nil:
		return "", fmt.Errorf("%q: %w", text, err)
	}
	line, _, _ := bytes.Cut(out, []byte{'\n'})
	return string(line), nil
}

// ParseUser reads a line in the form of /etc/passwd; see passwd(5). It says nothing
// of supplementary groups.
func ParseUser(line string) (*Account, error) {
	f := strings.Split(line, ":")
	if len(f) < 6 || f[0] == "" {
		return nil, fmt.Errorf("a line of %d fields, which is none of passwd", len(f))
	}
	return newAccount(f[0], f[2], f[3], f[5])
}

// ParseGroup reads a line in the form of /etc/group; see group(5).
func ParseGroup(line string) (name string, gid int, members []string, err error) {
	f := strings.Split(line, ":")
	if len(f) < 3 {
		return "", 0, nil, fmt.Errorf("a line of %d fields, which is none of group", len(f))
	}
	gid, err = ParseID(f[2])
	if len(f) > 3 {
		members = strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' })
	}
	return f[0], gid, members, err
}
