package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// lives is how many lives of a token the pulls go on.
const lives = 5

func TestNoPullFailsWhileTokensExpire(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudContinuity, 12*time.Second)
	hosts := append(s.cloud.hosts(), publicHost)
	refs := make([]string, len(hosts))
	for i, h := range hosts {
		refs[i] = s.push(h, "team/app")
	}
	root := s.home()
	before := len(s.aws.Calls())
	d := s.startDaemon(root, s.write(s.config("", fmt.Sprintf("  - public: true\n    aws: {endpoint_url: %q}\n", s.aws.Endpoint()))), s.engineEnv(s.engine)...)
	defer s.spy(configOf(root))()
	s.awaitAccepted(configOf(root), hosts...)

	start := time.Now()
	// Every loop has images of its own; the first two change between accounts
	// and regions.
	stops := []func() []pull{
		s.pulls(root, s.engine, refs[0], refs[3]),
		s.pulls(root, s.engine, refs[1], refs[2]),
		s.pulls(root, s.engine, refs[4]),
	}
	<-time.After(lives*s.life + s.life/2)
	var all []pull
	for _, stop := range stops {
		all = append(all, stop()...)
	}
	passed := time.Since(start)
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
	s.noneFailed(all, nil)
	for _, ref := range refs {
		if !slices.ContainsFunc(all, func(p pull) bool { return p.ref == ref && p.end.Sub(start) > (lives-1)*s.life }) {
			t.Errorf("%s was not pulled after %d lives", ref, lives-1)
		}
	}

	// One call a region and renewal, whatever the number of accounts.
	calls := map[string]int{}
	for _, c := range s.aws.Calls()[before:] {
		if c.Operation == "GetAuthorizationToken" {
			calls[c.Service+" "+c.Region]++
		}
	}
	for _, region := range regions {
		renewed := len(d.log.find(0, "token renewed", `"region":"`+region+`"`, `"account"`))
		if got := calls["ecr "+region]; got != renewed || renewed < lives {
			t.Errorf("%s: %d calls, %d renewals; want as many of both, at least %d", region, got, renewed, lives)
		}
	}
	// A token is renewed when 40% of its life have passed at the earliest.
	if most := 1 + int(passed/(s.life*4/10)+1); calls["ecr "+regions[0]] > most {
		t.Errorf("%d calls in %s with a life of %s, want at most %d", calls["ecr "+regions[0]], passed, s.life, most)
	}
	t.Logf("life %s, calls %v", s.life, calls)
}

// TestPullsFailWithoutTheDaemon shows that the test above is able to fail.
func TestPullsFailWithoutTheDaemon(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudWithout, 8*time.Second)
	host := s.cloud.hosts()[0]
	ref := s.push(host, "team/app")
	root := s.home()
	password := s.token(root, s.write(s.config("")), host)
	if out, code := s.run(root, s.engineEnv(s.engine), password, s.docker, "login", "--username", "AWS", "--password-stdin", host); code != 0 {
		t.Fatal(out)
	}
	var good int
	const expired = "authorization token has expired"
	await(t, func() (bool, string) {
		p := s.pull(root, s.engine, ref)
		switch stillGood := s.accepted(configOf(root), host) == nil; {
		case !p.failed && stillGood:
			good++
		case p.failed && stillGood:
			t.Fatalf("pull with a good token: %s", p.out)
		case p.failed:
			if !strings.Contains(p.out, expired) {
				t.Fatalf("got %q; want it to say %q", p.out, expired)
			}
			return true, ""
		}
		return false, "a pull that fails because the token has expired"
	})
	if good == 0 {
		t.Error("no pull was good before the token expired")
	}
	for range 3 {
		if p := s.pull(root, s.engine, ref); !p.failed || !strings.Contains(p.out, expired) {
			t.Errorf("got %q, failed %t; want it to say %q", p.out, p.failed, expired)
		}
	}
	t.Logf("%d good pulls before the token expired", good)
}
