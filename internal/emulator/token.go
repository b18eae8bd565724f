package emulator

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	tokenUser = "AWS"
	// A password has about the length of a real one, and like a real one it may
	// be longer tomorrow: a client must not rely on its length.
	payloadBytes    = 900
	maxPayloadExtra = 600
	datakeyBytes    = 184

	bearerLife = time.Hour
)

// token is what an authorization token opens.
type token struct {
	public   bool
	region   string   // of a private one
	accounts []string // likewise
	ends     time.Time
}

func (t token) endsAt() time.Time { return t.ends }

// refusal is a registry's no.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.code, r.message) }

// tokenDesk issues authorization tokens and judges logins. It knows a token by
// its hash alone, which is cheaper to keep than the token.
type tokenDesk struct {
	payload int // bytes, at least
	issued  atomic.Int64
	byToken *ledger[[sha256.Size]byte, token]
}

// newTokenDesk issues passwords of at least as many bytes.
func newTokenDesk(atLeast int) *tokenDesk {
	return &tokenDesk{payload: max(payloadBytes, atLeast*9/16), byToken: newLedger[[sha256.Size]byte, token]()}
}

// issue gives the password of the new token t.
func (d *tokenDesk) issue(t token, now time.Time) string {
	content, err := json.Marshal(struct {
		Payload    string `json:"payload"`
		Datakey    string `json:"datakey"`
		Version    string `json:"version"`
		Type       string `json:"type"`
		Expiration int64  `json:"expiration"`
	}{
		randomBase64(d.payload + int(min(d.issued.Add(1), maxPayloadExtra))),
		randomBase64(datakeyBytes), "2", "DATA_KEY", t.ends.Unix(),
	})
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	password := base64.StdEncoding.EncodeToString(content)
	d.byToken.put(sha256.Sum256([]byte(password)), t, now)
	return password
}

// judge says whether the login opens the registry s. It is on the path of every
// request to a registry.
func (d *tokenDesk) judge(s *site, username, password string, now time.Time) *refusal {
	if username != tokenUser {
		return &refusal{http.StatusUnauthorized, "UNAUTHORIZED", fmt.Sprintf("the user name must be %q", tokenUser)}
	}
	t, ok := d.byToken.get(sha256.Sum256([]byte(password)))
	switch {
	case !ok:
		return s.unknownToken()
	case t.public != s.public:
		return &refusal{s.badRequest(), "DENIED", "Your Authorization Token is invalid: it is for another kind of registry."}
	case s.region != "" && t.region != s.region:
		return &refusal{http.StatusBadRequest, "DENIED", fmt.Sprintf("Your Authorization Token is invalid: it is for the region %q, not %q.", t.region, s.region)}
	case !now.Before(t.ends):
		return &refusal{http.StatusForbidden, "DENIED", "Your authorization token has expired. Reauthenticate and try again."}
	case s.account != "" && !slices.Contains(t.accounts, s.account):
		return &refusal{http.StatusForbidden, "DENIED", fmt.Sprintf("User is not authorized to use the registry with id %q", s.account)}
	}
	return nil
}

// bearerDesk issues and checks the bearer tokens of ECR Public. They carry
// what they say under a keyed hash, so that nothing need be kept.
type bearerDesk struct{ key []byte }

func newBearerDesk() bearerDesk { return bearerDesk{[]byte(rand.Text())} }

const (
	loggedIn  = "login"
	anonymous = "anonymous"
)

func (d bearerDesk) issue(kind string, now time.Time) string {
	claim := kind + "." + strconv.FormatInt(now.Add(bearerLife).Unix(), 10)
	return claim + "." + d.hash(claim)
}

func (d bearerDesk) hash(claim string) string {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(claim))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// check gives the kind of a bearer token that is good now.
func (d bearerDesk) check(bearer string, now time.Time) (kind string, ok bool) {
	parts := strings.Split(bearer, ".")
	if len(parts) != 3 || !sameSecret(d.hash(parts[0]+"."+parts[1]), parts[2]) {
		return "", false
	}
	ends, err := strconv.ParseInt(parts[1], 10, 64)
	return parts[0], err == nil && now.Before(time.Unix(ends, 0))
}
