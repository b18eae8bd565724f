package account

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

// entry is what a line in the form of /etc/passwd says; see passwd(5).
type entry struct{ name, uid, gid, home string }

func parsePasswd(line string) (entry, error) {
	f := strings.Split(line, ":")
	if len(f) < 6 || f[0] == "" {
		return entry{}, fmt.Errorf("getent answered with %d fields, which is no line of passwd", len(f))
	}
	return entry{name: f[0], uid: f[2], gid: f[3], home: f[5]}, nil
}

// parseGroup gives the id in a line in the form of /etc/group; see group(5).
func parseGroup(line string) (int, error) {
	f := strings.Split(line, ":")
	if len(f) < 3 {
		return 0, fmt.Errorf("getent answered with %d fields, which is no line of group", len(f))
	}
	return ParseID(f[2])
}
