package daemon

import (
	"testing"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/targets"
)

func generationOf(t *testing.T, yaml string) *generation {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(yaml), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d.generation()
}

func TestTokensAcrossAReload(t *testing.T) {
	const (
		none, kept, former = "none", "kept", "former"

		own      = "registries: [{region: us-east-1}]"
		named    = `registries: [{region: us-east-1, account: "111122223333"}]`
		byA      = `registries: [{region: us-east-1, account: "111122223333", aws: {profile: a}}]`
		byB      = `registries: [{region: us-east-1, account: "111122223333", aws: {profile: b}}]`
		ownByB   = "registries: [{region: us-east-1, aws: {profile: b}}]"
		otherByB = `registries: [{region: us-east-1, account: "444455556666", aws: {profile: b}}]`
	)
	tests := []struct {
		name     string
		old, new string
		want     []string // by grant of new
	}{
		{"nothing has changed", byA, byA, []string{kept}},
		{"a host moves to another identity", byA, byB, []string{former}},
		{"the own account's too", own, ownByB, []string{former}},
		{"from a named account to the own", byA, ownByB, []string{former}},
		{"another account has no predecessor", byA, otherByB, []string{none}},
		{"another region neither", byA, `registries: [{region: eu-west-1, account: "111122223333", aws: {profile: b}}]`, []string{none}},
		{"a grant that stays gives nothing away", named, `registries:
- {region: us-east-1, account: "111122223333"}
- {region: us-east-1, aws: {profile: b}}`, []string{kept, none}},
		{"an open account is not what another grant names", byA, `registries:
- {region: us-east-1, account: "111122223333", aws: {profile: c}}
- {region: us-east-1, aws: {profile: b}}`, []string{former, none}},
		{"two predecessors are one too many", `registries:
- {region: us-east-1, account: "111122223333", aws: {profile: a}}
- {region: us-east-1, account: "444455556666", aws: {profile: c}}`,
			`registries: [{region: us-east-1, accounts: ["111122223333", "444455556666"], aws: {profile: b}}]`, []string{none}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old, next := generationOf(t, tt.old), generationOf(t, tt.new)
			for _, r := range old.renewers {
				r.Adopt(login.Token{Account: "111122223333", Secret: login.NewSecret("s"), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}, false)
			}
			next.adopt(old)
			// A second reload, before there is a token of the own, changes nothing.
			again := generationOf(t, tt.new)
			again.adopt(next)
			for _, g := range []*generation{next, again} {
				for i, r := range g.renewers {
					got := none
					if _, ok := r.Held(); ok {
						got = kept
						if r.Former() {
							got = former
						}
					}
					if got != tt.want[i] {
						t.Errorf("grant %d: %s, want %s", i, got, tt.want[i])
					}
				}
			}
		})
	}
}
