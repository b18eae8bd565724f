package e2e

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

// TestNoPullFailsInBadWeather lets everything around the daemon fail, one after
// the other, for less than half the life of a token, and the daemon itself.
func TestNoPullFailsInBadWeather(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudFaults, 16*time.Second)
	engine, err := s.bed.StartEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Remove(); err != nil {
			t.Error(err)
		}
	}()
	hosts := s.cloud.hosts()
	refs := make([]string, len(hosts))
	for i, h := range hosts {
		refs[i] = s.push(h, "team/app")
	}
	root := s.home()
	config := s.write(s.config(""))
	d := s.startDaemon(root, config, s.engineEnv(engine)...)
	defer s.spy(configOf(root))()
	s.awaitAccepted(configOf(root), hosts...)
	stops := []func() []pull{s.pulls(root, engine, refs[0], refs[3]), s.pulls(root, engine, refs[1], refs[2])}

	faults := []struct {
		name, reason string
		fault        emulator.Fault
	}{
		{"throttled", "throttled", emulator.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: "Rate exceeded"}},
		{"broken", "network", emulator.Fault{Status: http.StatusInternalServerError, Code: "ServerException"}},
		{"hung up", "network", emulator.Fault{Drop: true}},
	}
	for _, f := range faults {
		mark := d.log.mark()
		f.fault.Operation = "GetAuthorizationToken"
		clear := s.aws.Inject(f.fault)
		d.awaitAfter(mark, "token not renewed", `"reason":"`+f.reason+`"`)
		<-time.After(s.life / 4)
		clear()
		for _, region := range regions {
			if len(d.log.find(mark, "token not renewed", region)) > 0 {
				d.awaitAfter(mark, "token renewed again", region)
			}
		}
		if lines := d.log.find(mark, "token expired, no valid one is left"); len(lines) > 0 {
			t.Errorf("%s: %s", f.name, lines[0].raw)
		}
	}

	mark := d.log.mark()
	killed := time.Now()
	engine.Kill()
	d.signal(syscall.SIGUSR1)
	for _, region := range regions {
		if l := d.awaitAfter(mark, "login not stored", region, `"reason":"engine"`); l.Hint == "" || l.Target != "engine" {
			t.Errorf("got %s; want a line about the engine with a hint", l.raw)
		}
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	for _, region := range regions {
		d.awaitAfter(mark, "login stored again", region, `"target":"engine"`)
	}

	d.kill()
	d = s.startDaemon(root, config, s.engineEnv(engine)...)
	for _, region := range regions {
		d.await("token renewed", region)
	}
	s.awaitAccepted(configOf(root), hosts...)
	// The token of the killed daemon is over; every pull is with the new one's.
	<-time.After(s.life)

	var all []pull
	for _, stop := range stops {
		all = append(all, stop()...)
	}
	s.noneFailed(all, func(p pull) bool { return p.start.Before(back) && p.end.After(killed) })
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}
