package e2e

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

// TestEveryAnswerToACrowdIsAccepted runs 500 helpers at once, first while there
// is no token yet, as at boot, and then while tokens renew. No other test runs beside
// it: a pull that waits for so many processes outlives its token.
func TestEveryAnswerToACrowdIsAccepted(t *testing.T) {
	const crowd, rounds = 500, 3
	s := newScene(t, cloudGets, 20*time.Second)
	hosts := s.cloud.hosts()
	jenkins := s.bed.Account("jenkins")
	clear := s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Delay: 2 * time.Second})
	d := s.startDaemon(s.home(), s.write(s.registries()+helperTarget+s.access(s.aws.Endpoint())+s.socketFor("users: ["+jenkins.Name+"]")))

	seen := map[string]bool{}
	for round := range rounds {
		mark := d.log.mark()
		errs := make(chan error, crowd)
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range crowd {
			all.Go(func() {
				l, err := s.get(jenkins, hosts[i%len(hosts)])
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[l.password] = true
			})
		}
		if round > 0 {
			d.signal(syscall.SIGUSR1)
		}
		all.Wait()
		close(errs)
		t.Logf("round %d: %d of %d without a login that is accepted; %d tokens so far", round, len(errs), crowd, len(seen))
		for range min(len(errs), shownFailures) {
			t.Error(<-errs)
		}
		for _, region := range regions {
			d.awaitAfter(mark, "token renewed", region)
		}
		clear()
	}
	if least := 2 * len(regions); len(seen) < least {
		t.Errorf("%d tokens, want at least %d: nothing was renewed", len(seen), least)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}
