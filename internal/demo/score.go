package main

import (
	"errors"
	"strings"
	"time"
)

// score is what there is to say at the end.
type score struct {
	life     time.Duration // of a token
	length   time.Duration // of the whole play
	tokens   int           // first ones, one for each region and kind of registry
	renewals int           // of those
	pulls    int
	failures int
	// crossed is the time between the moment when all first tokens were there and
	// the last pull that worked.
	crossed time.Duration
	// contrast is what came of a pull with the first token after its end; nil:
	// it was not tried.
	contrast error
}

// errWorked is the contrast that shows nothing: the expired token was accepted.
var errWorked = errors.New("it worked")

// lives is how many whole lives of a token the pulls have outlived.
func (s score) lives() int { return int(s.crossed / s.life) }

// expired says whether the contrast came out as it must: refused, and for the
// token's age.
func (s score) expired() bool {
	return s.contrast != nil && strings.Contains(s.contrast.Error(), "authorization token has expired")
}

func (s score) passed() bool {
	return s.pulls > 0 && s.failures == 0 && s.lives() > 0 && s.expired()
}
