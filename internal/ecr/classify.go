package ecr

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// situation is what was going on when an error came.
type situation struct {
	id      Identity
	region  string
	public  bool
	timeout time.Duration // of the attempt
	files   string        // the shared configuration files, described
	now     time.Time     // this host's clock
}

// op says what was tried.
func (at situation) op() string {
	if at.public {
		return "get ECR Public authorization token as " + at.id.text("%q")
	}
	return fmt.Sprintf("get ECR authorization token in %s as %s", at.region, at.id.text("%q"))
}

// The steps of an attempt.
const (
	stepCredentials = iota // the SDK's configuration and credential chain
	stepSession            // GetSessionToken; the subject is the MFA serial
	stepRole               // AssumeRole of ours; the subject is the role's ARN
	stepToken              // GetAuthorizationToken
)

// stepError says in which step an error came.
type stepError struct {
	step    int
	subject string
	used    login.Redactor // of the credentials that the step was made with
	err     error
}

func (e *stepError) Error() string { return e.prefix() + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// prefix tells the steps apart where the operation does not: the last step is
// the operation itself.
func (e *stepError) prefix() string {
	switch e.step {
	case stepSession:
		return fmt.Sprintf("get session token with mfa serial %q: ", e.subject)
	case stepRole:
		return fmt.Sprintf("assume role %q: ", e.subject)
	}
	return ""
}

// plain is an error cut down to what people need; what it came from is kept for
// errors.Is and errors.As.
type plain struct {
	text string
	from error
}

func (p *plain) Error() string { return p.text }
func (p *plain) Unwrap() error { return p.from }

// verdict is one rule's opinion of an error.
type verdict struct {
	reason fault.Reason
	text   string
	hint   string
	opaque bool // the original's text holds secrets: drop it
}

// classify turns what the SDK says into a fault. It looks at nothing but its
// arguments, and its text never holds the body of an answer or a secret.
func classify(err error, at situation) *fault.Error {
	step := &stepError{step: stepCredentials}
	errors.As(err, &step)
	v := verdict{reason: fault.Credentials, text: oneLine(err), hint: noCredentials(at)}
	rules := [...]func(error, *stepError, situation) (verdict, bool){ // the first that knows the error decides
		ofTime, ofFile, ofAnswer, ofCommand, ofProcess, ofMetadata, ofAPI, ofShared, ofStatus, ofTransport, ofSetting,
	}
	for _, rule := range rules {
		if known, ok := rule(err, step, at); ok {
			v = known
			break
		}
	}
	// An answer may echo what was sent, and so may hold anything.
	cause := &plain{text: step.used.Clean(step.prefix() + brief(v.text)), from: err}
	if v.opaque || step.used.Finds(err.Error()) {
		cause.from = nil
	}
	return &fault.Error{Reason: v.reason, Op: at.op(), Err: cause, Hint: v.hint}
}

// brief is the first line of text, cut to a length that fits a log line. AWS's
// explanation of a wrong signature goes on with the request, session token and
// all, on the lines after the first.
func brief(text string) string {
	const most = 400
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimSpace(line)
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}

// oneLine is the text of an error that no rule knows: one of the SDK's about its
// configuration, which may hold line breaks.
func oneLine(err error) string {
	var step *stepError
	if errors.As(err, &step) {
		err = step.err // its prefix is written by classify
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return strings.TrimPrefix(text, "failed to refresh cached credentials, ")
}
