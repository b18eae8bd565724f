package ecr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandError is a code_command that gave no code.
type commandError struct {
	program string
	err     error
	said    string // the first line of its standard error
}

func (e *commandError) Error() string {
	text := fmt.Sprintf("mfa code command %q: %v", e.program, e.err)
	if e.said != "" {
		text += fmt.Sprintf(": %q", e.said)
	}
	return text
}

func (e *commandError) Unwrap() error { return e.err }

// mfaCode runs command without a shell and gives what it prints, which must be
// the 6 digits that AWS takes: anything else would come back quoted in AWS's
// error. The code is in no error.
func mfaCode(ctx context.Context, command []string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	// A grandchild that keeps the pipes open must not keep us.
	cmd.WaitDelay = time.Second
	var out, errs head
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	code := strings.TrimSpace(string(out))
	if err == nil && (len(code) != 6 || strings.Trim(code, "0123456789") != "") {
		err = errors.New("it printed something else than a code of 6 digits")
	}
	if err != nil {
		return "", &commandError{program: command[0], err: err, said: firstLine(errs, code)}
	}
	return code, nil
}

// firstLine is the first line that holds anything, without hidden.
func firstLine(text []byte, hidden string) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	said := strings.TrimSpace(string(line))
	if hidden != "" {
		said = strings.ReplaceAll(said, hidden, "[redacted]")
	}
	return said
}

// head is a writer that keeps the first 4 KiB and swallows the rest.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), 4096-len(*h))]...)
	return len(p), nil
}
