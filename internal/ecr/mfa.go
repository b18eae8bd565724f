package ecr

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
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
		return "", &commandError{program: command[0], err: err, said: firstLine(mask(string(errs), command[1:], code))}
	}
	return code, nil
}

// shortest is the length, in bytes, from which an argument may be a secret, and
// a number a code.
const shortest = 6

var digits = regexp.MustCompile(fmt.Sprintf(`[0-9]{%d,}`, shortest))

// mask replaces in text what may be secret: the arguments of the command, of
// which one may be the seed of its codes, its output, and every number that may
// be a code.
func mask(text string, arguments []string, output string) string {
	const hidden = "[redacted]"
	var secrets []string
	for _, argument := range arguments {
		_, value, _ := strings.Cut(argument, "=") // of --seed=VALUE
		for _, s := range []string{argument, value} {
			if len(s) >= shortest {
				secrets = append(secrets, s)
			}
		}
	}
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" {
			secrets = append(secrets, line)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // none may hide a part of another
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return digits.ReplaceAllString(text, hidden)
}

// firstLine is the first line that holds anything.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// head is a writer that keeps the first 4 KiB and swallows the rest.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), 4096-len(*h))]...)
	return len(p), nil
}
