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
	id      login.Identity
	region  string
	public  bool
	timeout time.Duration // of the attempt
	files   string        // the shared configuration files, described
	bare    bool          // the config file has the profile as [NAME]
	from    source        // where the credentials come from
	env     func(string) string
	now     time.Time // this host's clock
}

func (at situation) getenv(name string) string {
	if at.env == nil {
		return ""
	}
	return at.env(name)
}

// op says what was tried.
func (at situation) op() string {
	if at.public {
		return "get ECR Public authorization token as " + at.id.Text("%q")
	}
	return fmt.Sprintf("get ECR authorization token in %s as %s", at.region, at.id.Text("%q"))
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
	step     int
	subject  string
	known    login.Redactor // of every secret of the attempt
	answered bool           // an endpoint has answered in this step
	err      error
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

// verdict is one rule's opinion of an error.
type verdict struct {
	reason fault.Reason
	text   string
	hint   string
}

// classify turns what the SDK says into a fault. It looks at nothing but its
// arguments. Every text of a server, a command or a file that is in err goes through
// the step's redactor here, and nothing of err is kept, so that this is the only way
// out; hints are this program's own words.
func classify(err error, at situation) *fault.Error {
	step := &stepError{step: stepCredentials}
	errors.As(err, &step)
	v := verdict{reason: fault.Credentials, text: oneLine(err), hint: at.lookThere()}
	if step.step == stepCredentials && step.answered { // the SDK quotes answers that it cannot read
		v = verdict{reason: fault.Invalid, text: "what gives the credentials answered with something else than credentials",
			hint: "something other than AWS may have answered: check the endpoint, HTTPS_PROXY and NO_PROXY"}
	}
	rules := [...]func(error, *stepError, situation) (verdict, bool){ // the first that knows the error decides
		ofTime, ofKey, ofFile, ofAnswer, ofCommand, ofMetadata, ofAPI, ofShared, ofStatus, ofTransport, ofSetting,
	}
	for _, rule := range rules {
		if known, ok := rule(err, step, at); ok {
			v = known
			break
		}
	}
	return &fault.Error{Reason: v.reason, Op: at.op(), Err: errors.New(step.known.Clean(step.prefix() + brief(v.text))), Hint: v.hint}
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
