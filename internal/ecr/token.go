package ecr

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode"

	"ecr-refreshd/internal/login"
)

// answer is what ECR and ECR Public have in common. It is secret.
type answer struct {
	encoded   string // base64 of user:password
	expiresAt time.Time
	endpoint  string // the caller's own registry; ECR Public names none
}

// answerError says what is wrong with an answer that makes no sense, and never quotes it.
type answerError string

func (e answerError) Error() string { return string(e) }

// token takes an answer apart. Its end is passed on as it was reported.
func (a answer) token(public bool) (login.Token, error) {
	user, password, err := decode(a.encoded)
	if err != nil {
		return login.Token{}, err
	}
	t := login.Token{Username: user, Secret: password, ExpiresAt: a.expiresAt}
	if !public {
		t.Account = account(a.endpoint)
	}
	return t, nil
}

// decode splits base64 of user:password at the first colon; the password may
// hold more of them.
func decode(encoded string) (string, login.Secret, error) {
	if encoded == "" {
		return "", login.Secret{}, answerError("the answer holds no authorization token")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil { // its text would tell an offset into the secret at most; say less
		return "", login.Secret{}, answerError("the authorization token is not base64")
	}
	user, password, found := strings.Cut(string(raw), ":")
	switch {
	case !found:
		return "", login.Secret{}, answerError("the authorization token holds no colon between user and password")
	case user == "":
		return "", login.Secret{}, answerError("the authorization token holds no user")
	case password == "":
		return "", login.Secret{}, answerError("the authorization token holds no password")
	case strings.ContainsFunc(string(raw), unicode.IsControl): // it would break a header, a file, a terminal
		return "", login.Secret{}, answerError("the authorization token holds a control character")
	}
	return user, login.NewSecret(password), nil
}

// account is the 12 digits at the head of a registry's endpoint, or empty.
func account(endpoint string) string {
	if _, rest, found := strings.Cut(endpoint, "://"); found {
		endpoint = rest
	}
	digits, _, _ := strings.Cut(endpoint, ".")
	if len(digits) != 12 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return digits
}
