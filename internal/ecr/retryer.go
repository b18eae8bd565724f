package ecr

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// clockRetryer tries a second time, at once, when AWS has refused the time of
// a signature: the SDK then signs by AWS's clock, so that a host whose own is
// wrong still gets its tokens. Every other failure is left to renew, which goes
// around this package with a time-out for each attempt.
type clockRetryer struct{ aws.NopRetryer }

// IsErrorRetryable looks for the mark that the SDK puts on an error when its
// code may be about the clock and the answer's Date shows that it is.
func (clockRetryer) IsErrorRetryable(err error) bool {
	var marked interface{ RetryableError() bool }
	return errors.As(err, &marked) && marked.RetryableError()
}

func (clockRetryer) MaxAttempts() int { return 2 }

func (clockRetryer) RetryDelay(int, error) (time.Duration, error) { return 0, nil }
