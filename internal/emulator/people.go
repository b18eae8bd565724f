package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"ecr-refreshd/internal/registry"
)

// principal is who signs a request: a user, or the session of a role.
type principal struct {
	accessKey, secret, sessionToken string
	account                         string
	role, sessionName               string // empty for a user
	opens, denied                   []string
	ends                            time.Time // zero for a user
}

func (p *principal) endsAt() time.Time { return p.ends }

// arn names p as the services of a region do in their messages. The region is
// valid: authenticate has seen to it.
func (p *principal) arn(region string) string {
	partition, _ := registry.Partition(region)
	if p.role == "" {
		return fmt.Sprintf("arn:%s:iam::%s:user/%s", partition, p.account, p.accessKey)
	}
	return fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition, p.account, path.Base(p.role), p.sessionName)
}

func (p *principal) may(action string) bool { return !slices.Contains(p.denied, action) }

// people knows every principal by its access key, and the roles.
type people struct {
	byKey *ledger[string, *principal]
	roles map[string]Role
}

func newPeople(users []Principal, roles []Role) (*people, error) {
	p := &people{byKey: newLedger[string, *principal](), roles: map[string]Role{}}
	for _, u := range users {
		if u.AccessKeyID == "" || u.SecretAccessKey == "" || u.Account == "" {
			return nil, fmt.Errorf("principal %q: access key, secret key and account are all needed", u.AccessKeyID)
		}
		p.byKey.put(u.AccessKeyID, &principal{
			accessKey: u.AccessKeyID, secret: u.SecretAccessKey, account: u.Account, opens: u.Opens, denied: u.Denied,
		}, time.Time{})
	}
	for _, r := range roles {
		if _, err := roleAccount(r.ARN); err != nil {
			return nil, err
		}
		p.roles[r.ARN] = r
	}
	return p, nil
}

// roleAccount gives the account of a role's ARN.
func roleAccount(role string) (string, error) {
	a, err := arn.Parse(role)
	if err == nil && (a.AccountID == "" || path.Dir(a.Resource) == ".") {
		err = errors.New("not of the form arn:PARTITION:iam::ACCOUNT:role/NAME")
	}
	if err != nil {
		return "", fmt.Errorf("role %q: %w", role, err)
	}
	return a.AccountID, nil
}

// trusts reports whether r lets who assume it.
func (r Role) trusts(who *principal) bool {
	return len(r.TrustedBy) == 0 || slices.Contains(r.TrustedBy, who.accessKey) ||
		who.role != "" && slices.Contains(r.TrustedBy, who.role)
}

// open starts a session of the role r that lasts for life, or as the role says.
func (p *people) open(r Role, sessionName string, life time.Duration, now time.Time) (*principal, error) {
	account, err := roleAccount(r.ARN)
	if err != nil {
		return nil, err
	}
	if r.SessionLife != 0 {
		life = r.SessionLife
	}
	session := &principal{
		accessKey:    "ASIA" + rand.Text()[:16],
		secret:       randomBase64(30),
		sessionToken: randomBase64(300),
		account:      account,
		role:         r.ARN,
		sessionName:  sessionName,
		opens:        r.Opens,
		denied:       r.Denied,
		ends:         now.Add(life),
	}
	p.byKey.put(session.accessKey, session, now)
	return session, nil
}

// randomBase64 is base64 of n random bytes. crypto/rand does not fail.
func randomBase64(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
