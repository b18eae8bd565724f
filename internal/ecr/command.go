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

	"ecr-refreshd/internal/login"
)

const (
	// outputLimit bounds what a command may print, in bytes.
	outputLimit = 1 << 20
	// saidLimit bounds how much of its standard error is looked at, in bytes.
	saidLimit = 4 << 10
	// lastWords is how long what a command has started may hold its output open after
	// it has ended.
	lastWords = time.Second
)

var errTooMuch = fmt.Errorf("it printed more than %d bytes", outputLimit)

// commandError is a command of the configuration that did not do its work.
type commandError struct {
	setting string // that names it: credential_process, aws.mfa.code_command
	program string // what may be shown of it
	err     error
	said    string // the first line of its standard error, masked
}

func (e *commandError) Error() string {
	text := e.setting
	if e.program != "" {
		text += fmt.Sprintf(" %q", e.program)
	}
	text += ": " + e.err.Error()
	if e.said != "" {
		text += fmt.Sprintf(": %q", e.said)
	}
	return text
}

func (e *commandError) Unwrap() error { return e.err }

// output runs cmd and returns what it prints, and the beginning of what it says on its
// standard error, which is for mask alone. It gets no terminal and no input, may print
// outputLimit bytes to each, and ends, with all that it has started in its process
// group, when it is over or ctx is.
func output(cmd *exec.Cmd) (out, said []byte, err error) {
	full := func() { _ = killGroup(cmd) } // it may have ended meanwhile
	stdout, stderr := limited{keep: outputLimit, full: full}, limited{keep: saidLimit, full: full}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = lastWords
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	err = cmd.Run()
	_ = killGroup(cmd) // what it has left behind, if anything
	switch {
	case stdout.seen > outputLimit, stderr.seen > outputLimit:
		return nil, nil, errTooMuch
	case errors.Is(err, exec.ErrWaitDelay): // it has ended well, and only what it started was still there
		err = nil
	}
	return stdout.kept, stderr.kept, err
}

// limited is a writer that keeps the first bytes and swallows the rest. It is no
// bytes.Buffer: io.Copy would go past Write, by its ReadFrom.
type limited struct {
	kept       []byte
	keep, seen int
	full       func() // called when more than outputLimit bytes have come
}

func (l *limited) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p[:min(len(p), l.keep-len(l.kept))]...)
	if l.seen += len(p); l.seen > outputLimit {
		l.full()
	}
	return len(p), nil
}

// mostSecrets is how many secrets a command's output and arguments may hold.
const mostSecrets = 100

var (
	number = regexp.MustCompile(fmt.Sprintf(`[0-9]{%d,}`, shortestValue))
	// keyLike is what may be a key where nothing says what it is: a secret access key
	// has 40 characters.
	keyLike = regexp.MustCompile(`[A-Za-z0-9+/=]{40,}`)
)

// mask returns the first line of what a command said, without what may be secret: its
// arguments, of which one may be the seed of its codes, what it printed, every number
// that may be a code and whatever may be a key.
func mask(said []byte, arguments []string, printed []byte) string {
	var secrets []string
	for _, argument := range arguments {
		_, value, _ := strings.Cut(argument, "=") // of --seed=VALUE
		secrets = append(secrets, argument, value)
	}
	for line := range strings.Lines(string(printed)) {
		secrets = append(secrets, strings.TrimSpace(line))
	}
	all := func(string) bool { return true }
	secrets = long(append(secrets, append(fields(printed, all), fields(said, secretName)...)...))
	if len(secrets) > mostSecrets { // to look for each would cost more than the line is worth
		return ""
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // none may hide a part of another
	text := string(said)
	var known []login.Secret
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, redacted)
		known = append(known, login.NewSecret(s))
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return login.NewRedactor(known...).Clean(keyLike.ReplaceAllString(number.ReplaceAllString(line, redacted), redacted))
}

const redacted = "[redacted]"

// mfaCode runs command without a shell and returns what it prints, which must be
// the 6 digits that AWS takes: anything else would come back quoted in AWS's
// error. The code is in no error.
func mfaCode(ctx context.Context, command []string) (string, error) {
	out, said, err := output(exec.CommandContext(ctx, command[0], command[1:]...))
	code := strings.TrimSpace(string(out))
	if err == nil && (len(code) != 6 || strings.Trim(code, "0123456789") != "") {
		err = errors.New("it printed something else than a code of 6 digits")
	}
	if err != nil {
		return "", &commandError{setting: "aws.mfa.code_command", program: command[0], err: err, said: mask(said, command[1:], out)}
	}
	return code, nil
}
