package e2e

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestOurLoginsSurviveACrowd runs twenty `docker login`s at once, of which each
// writes back the file that it has read and so loses what others wrote, while
// the daemon renews. Then somebody logs out of one of our registries.
func TestOurLoginsSurviveACrowd(t *testing.T) {
	t.Parallel()
	const rounds, crowd, within = 5, 20, 2 * time.Second
	s := newScene(t, cloudCrowd, 30*time.Second)
	hosts := s.cloud.hosts()
	root := s.home()
	config := s.write(s.config(""))
	d := s.startDaemon(root, config, s.engineEnv(s.engine)...)
	defer s.spy(configOf(root))()
	s.awaitAccepted(configOf(root), hosts...)
	right := func(round int, after string) {
		if missing := awaitWithin(within, func() (bool, string) {
			err := s.accepted(configOf(root), hosts...)
			return err == nil, fmt.Sprint(err)
		}); missing != "" {
			t.Errorf("round %d: %s after %s: %s", round, within, after, missing)
		}
	}
	undone := 0
	for round := range rounds {
		logins, err := readLogins(configOf(root))
		if err != nil {
			t.Fatal(err)
		}
		mark := d.log.mark()
		var all sync.WaitGroup
		for i := range crowd {
			host := s.cloud.others[i%len(s.cloud.others)]
			if i%5 == 0 {
				host = hosts[i/5]
			}
			// A good token of our own: also for the others, who take any.
			password := logins[hosts[i/5]].password
			all.Go(func() {
				out, code := s.run(root, s.engineEnv(s.engine), password, s.docker, "login", "--username", "AWS", "--password-stdin", host)
				if code != 0 {
					t.Errorf("docker login %s: %s", host, out)
				}
			})
		}
		d.signal(syscall.SIGUSR1)
		all.Wait()
		right(round, "the last login")
		for _, region := range regions { // so that no renewal happens to fix the next thing
			d.awaitAfter(mark, "token renewed", region)
		}
		s.run(root, s.engineEnv(s.engine), "", s.docker, "logout", hosts[round%len(hosts)])
		right(round, "a logout")
		undone += len(d.log.find(mark, "login was undone by another program, storing it again"))
	}
	if undone == 0 {
		t.Error("no login was ever undone: there was nothing to survive")
	}
	t.Logf("%d rounds of %d logins; undone and put back %d times", rounds, crowd, undone)
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}
