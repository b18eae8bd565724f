package daemon

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
)

// Two identities open one host, each for a user of its own.
const twoIdentities = `
registries:
  - {region: us-east-1, account: "111122223333", aws: {profile: a}, targets: [one], allow: {users: ["1000001"]}}
  - {region: us-east-1, account: "111122223333", aws: {profile: b}, targets: [two], allow: {users: ["1000002"]}}
targets:
  - {name: one, type: docker-config, path: /a/config.json}
  - {name: two, type: docker-config, path: /b/config.json}
`

func TestEachUserGetsTheTokenOfAnIdentityThatIsOpenToIt(t *testing.T) {
	g := generationOf(t, twoIdentities)
	for name, tt := range map[string]struct {
		who  peerauth.Peer
		want []int
	}{
		"the first's user":  {peerauth.Peer{UID: 1000001, GID: 1}, []int{0}},
		"the second's user": {peerauth.Peer{UID: 1000002, GID: 1}, []int{1}},
		"nobody's":          {peerauth.Peer{UID: 1000003, GID: 1}, nil},
		"root":              {root, []int{0, 1}},
	} {
		found, err := g.allowed(t.Context(), hostUS, tt.who)
		var got []int
		for _, p := range found {
			got = append(got, slices.Index(g.renewers, p.Renewer))
		}
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("%s: identities %v (%v), want %v", name, got, err, tt.want)
		}
	}
}

func TestATokenThatIsHeldGoesBeforeOneToBeWaitedFor(t *testing.T) {
	c := parse(t, twoIdentities)
	synctest.Test(t, func(t *testing.T) {
		d, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		d.current.renewers[1].Adopt(tokenOf("111122223333"), false)
		began := time.Now()
		l, err := d.Credential(t.Context(), hostUS, root, time.Hour)
		if took := time.Since(began); err != nil || l.Host != hostUS || took != 0 {
			t.Errorf("%q after %v (%v)", l.Host, took, err)
		}
	})
}

// The account of a region without one is known with the first token only.
func TestTheTokenOfAnotherAccountIsNotHandedOut(t *testing.T) {
	c := parse(t, "registries: [{region: us-east-1}]\ntargets: [{type: docker-config, path: FILE}]\n")
	synctest.Test(t, func(t *testing.T) {
		d, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		providers := d.current.providers.of(hostUS)
		if len(providers) != 1 {
			t.Fatalf("%d providers", len(providers))
		}
		d.current.renewers[0].Adopt(tokenOf("444455556666"), false)
		if l, err := awaited(t.Context(), hostUS, providers); err == nil {
			t.Errorf("got the login of %q", l.Host)
		}
	})
}

func tokenOf(account string) login.Token {
	return login.Token{Account: account, Username: "AWS", Secret: login.NewSecret("s"), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
}
