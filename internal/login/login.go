// Package login holds the values that everything else passes on: the AWS identity
// that asks for a token, a secret, the authorization token it opens, the login that a
// token makes for one host, and the redactor that keeps secrets out of what others say.
// It decides nothing about them: when to renew is in renew, where to put them in
// target.
package login

import (
	"encoding/base64"
	"strings"
	"time"
)

// OwnAccount stands in a host name for the account that the token was issued
// to, which is known only once ECR has answered.
const OwnAccount = "{account}"

// Token is one ECR authorization token. Its times are wall-clock readings of
// this host.
type Token struct {
	Username   string // always "AWS" today; taken from the answer all the same
	Secret     Secret
	Account    string    // the 12 digits it was issued to; empty for ECR Public
	ObtainedAt time.Time // just before the request left, so never later than the true start
	ExpiresAt  time.Time // as ECR reported it, corrected by renew where it cannot be true
	// SessionEndsAt is the end of the AWS session that obtained the token, zero
	// when the credentials do not end. Tokens have been seen to die with it.
	SessionEndsAt time.Time
	// Source says where the AWS credentials came from, for people; empty for a token
	// of a former process or of the daemon's API.
	Source string

	digest *Digest // of a token without a secret, see Remembered; nil of all others
}

// Basic is the token in the form of HTTP basic authentication: base64 of
// user:password, as config.json and the Authorization header carry it.
func (t Token) Basic() Secret {
	return NewSecret(base64.StdEncoding.EncodeToString([]byte(t.Username + ":" + t.Secret.Reveal())))
}

// For makes the login that t gives at host, with OwnAccount filled in.
func (t Token) For(host string) Login {
	if t.Account != "" {
		host = strings.Replace(host, OwnAccount, t.Account, 1)
	}
	return Login{Host: host, Token: t}
}

// Login is what a target stores: one host and the token that opens it.
type Login struct {
	Host string // the name under which Docker knows the registry, without scheme or path
	Token
}
