package e2e

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/testbed"
)

var (
	chaosFor  = flag.Duration("chaos.for", 90*time.Second, "how long TestNoPullFailsInChaosWithoutACause goes on")
	chaosSeed = flag.Uint64("chaos.seed", 1, "the order of what goes wrong, and for how long")
)

// chaos is a scene in which one thing after the other goes wrong while images are pulled.
type chaos struct {
	*scene
	rng    *rand.Rand
	engine *testbed.Engine
	root   testbed.Account
	file   string // config.json, in a small file system of its own
	config string
	d      *daemon
	refs   []string

	excuses []excuse
}

// excuse is a time in which a pull may fail: no valid login could be in its place, or there was no
// engine or registry.
type excuse struct {
	from, to time.Time
	why      string
}

// calamity is one thing that goes wrong and is over when do returns. harmless ones excuse no failed pull; for
// the others, the excuse ends when all logins are in their place again.
type calamity struct {
	name     string
	harmless bool
	do       func(c *chaos)
}

// short is a time in which no token ends: a token is renewed at half of its life.
func (c *chaos) short() time.Duration { return c.life/8 + time.Duration(c.rng.Int64N(int64(c.life/8))) }

// long is a time in which all tokens end.
func (c *chaos) long() time.Duration { return c.life + time.Duration(c.rng.Int64N(int64(c.life/4))) }

func (c *chaos) pass(d time.Duration) { <-time.After(d) }

// aws answers a call as f says for so long.
func (c *chaos) aws(f emulator.Fault, d time.Duration) {
	f.Operation = "GetAuthorizationToken"
	clear := c.scene.aws.Inject(f)
	defer clear()
	c.pass(d)
}

func (c *chaos) restart() {
	c.d.kill()
	c.pass(time.Duration(c.rng.Int64N(int64(c.life / 8))))
	c.d = c.startDaemon(c.root, c.config, c.engineEnv(c.engine)...)
}

var calamities = []calamity{
	{"AWS is away for a short time", true, func(c *chaos) { c.aws(emulator.Fault{Drop: true}, c.short()) }},
	{"AWS is away for longer than a token lives", false, func(c *chaos) { c.aws(emulator.Fault{Drop: true}, c.long()) }},
	{"AWS throttles", true, func(c *chaos) {
		c.aws(emulator.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: "Rate exceeded"}, c.short())
	}},
	{"AWS is slow", true, func(c *chaos) { c.aws(emulator.Fault{Delay: c.life / 10}, c.short()) }},
	{"AWS answers nonsense", true, func(c *chaos) { c.aws(emulator.Fault{Body: `{"authorizationData": [{}]}`}, c.short()) }},
	{"the permission is revoked and given again", false, func(c *chaos) {
		c.aws(emulator.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException", Message: "not authorized"}, c.long())
	}},
	{"the daemon is killed", true, (*chaos).restart},
	{"signals come in a storm", true, func(c *chaos) {
		for range 200 {
			c.d.signal([]syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1}[c.rng.IntN(2)])
			c.pass(time.Millisecond)
		}
	}},
	{"the daemon has no descriptors left", true, func(c *chaos) {
		pid := c.d.cmd.Process.Pid
		var usual unix.Rlimit
		err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &usual)
		if err == nil {
			err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 5, Max: usual.Max}, nil)
		}
		if err != nil {
			c.t.Error(err)
			return
		}
		c.pass(c.short())
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &usual, nil); err != nil {
			c.t.Error(err)
		}
	}},
	{"the registries cannot be reached", false, func(c *chaos) {
		clear := c.scene.aws.Inject(emulator.Fault{Operation: "registry", Drop: true})
		defer clear()
		c.pass(c.short())
	}},
	{"the registries are slow", true, func(c *chaos) {
		clear := c.scene.aws.Inject(emulator.Fault{Operation: "registry", Delay: c.life / 100})
		defer clear()
		c.pass(c.short())
	}},
	{"the engine is killed", false, func(c *chaos) {
		c.engine.Kill()
		if err := c.engine.Start(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}},
	{"somebody logs out", false, func(c *chaos) { c.run(c.root, nil, "", c.docker, "logout", c.cloud.hosts()[0]) }},
	{"somebody logs in and out elsewhere all the time", true, func(c *chaos) {
		for range 10 {
			c.run(c.root, c.engineEnv(c.engine), "wrong", c.docker, "login", "--username", "me", "--password-stdin", c.cloud.foreign)
			c.run(c.root, nil, "", c.docker, "logout", c.cloud.foreign)
		}
	}},
	{"the disk is full for a short time", true, func(c *chaos) { c.full(c.short()) }},
	{"the disk is full for longer than a token lives", false, func(c *chaos) { c.full(c.long()) }},
	{"the file is broken until somebody corrects it", false, func(c *chaos) {
		c.put(`{"auths": {`)
		c.pass(c.short())
		c.put(`{}`)
	}},
	{"the file is gone", false, func(c *chaos) { _ = os.Remove(c.file) }},
}

func (c *chaos) put(text string) {
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Error(err)
	}
}

// full fills the small file system.
func (c *chaos) full(d time.Duration) {
	ballast := filepath.Join(filepath.Dir(c.file), "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		c.t.Error(err)
		return
	}
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	_ = f.Close() // it could not all be written, as was meant
	c.pass(d)
	if err := os.Remove(ballast); err != nil {
		c.t.Error(err)
	}
}

// The promise, with real parts: whatever happens, a pull fails only while no valid token could be where docker looks,
// and everything is well again without a person as soon as its cause is over.
func TestNoPullFailsInChaosWithoutACause(t *testing.T) {
	t.Parallel()
	c := &chaos{scene: newScene(t, cloudChaos, 20*time.Second), rng: rand.New(rand.NewPCG(*chaosSeed, 0))}
	t.Logf("-chaos.seed %d, tokens live %s", *chaosSeed, c.life)
	var err error
	if c.engine, err = c.bed.StartEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.engine.Remove(); err != nil {
			t.Error(err)
		}
	}()
	c.root = c.home()
	c.file = configOf(c.root)
	if err := os.Mkdir(filepath.Dir(c.file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", filepath.Dir(c.file), "tmpfs", 0, "size=512k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(filepath.Dir(c.file), unix.MNT_DETACH) }() // and with it goes what is in it
	hosts := c.cloud.hosts()
	for _, host := range hosts {
		c.refs = append(c.refs, c.push(host, "team/app"))
	}
	c.config = c.write(c.scene.config(""))
	c.d = c.startDaemon(c.root, c.config, c.engineEnv(c.engine)...)
	defer c.spy(c.file)()
	c.awaitAccepted(c.file, hosts...)
	stops := []func() []pull{c.pulls(c.root, c.engine, c.refs[0], c.refs[3]), c.pulls(c.root, c.engine, c.refs[1], c.refs[2])}

	happened := map[string]int{}
	var order []calamity
	for end := time.Now().Add(*chaosFor); time.Now().Before(end); {
		if len(order) == 0 { // each once, then each once more
			order = slices.Clone(calamities)
			c.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		next := order[0]
		order = order[1:]
		happened[next.name]++
		from := time.Now()
		next.do(c)
		c.awaitAccepted(c.file, hosts...)
		c.healed(next)
		if !next.harmless {
			c.excuses = append(c.excuses, excuse{from, time.Now(), next.name})
		}
		c.pass(c.life / 10)
	}
	var all []pull
	for _, stop := range stops {
		all = append(all, stop()...)
	}
	c.noneFailed(all, func(p pull) bool {
		return slices.ContainsFunc(c.excuses, func(e excuse) bool { return p.end.After(e.from) && p.start.Before(e.to) })
	})
	if code := c.d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
	times := 0
	for _, n := range happened {
		times += n
	}
	t.Logf("figure: %d calamities of %d kinds, tokens of %s", times, len(happened), c.life.Round(time.Second))
	t.Logf("%v", happened)
}

// healed waits until the status has nothing to complain about.
func (c *chaos) healed(after calamity) {
	c.t.Helper()
	if missing := awaitWithin(patience, func() (bool, string) {
		out, code := c.run(c.root, nil, "", c.binary, "status", "--config", c.config)
		return code == 0, out
	}); missing != "" {
		c.t.Fatalf("%s after %q:\n%s", patience, after.name, missing)
	}
}
