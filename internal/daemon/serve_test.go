package daemon

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/peerauth"
	"ecr-refreshd/internal/status"
	"ecr-refreshd/internal/targets"
)

const (
	hostUS   = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	hostEU   = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
	further  = "images.example.com:5000"
	patience = 20 * time.Second // for what comes at once, on a slow machine
)

// stranger is a user that only a rule can let in.
var stranger = peerauth.Peer{UID: 1000001, GID: 1000001}

// root is let in everywhere.
var root = peerauth.Peer{}

// rig is a daemon that runs against an emulated AWS.
type rig struct {
	*Daemon
	aws *emulator.Server
}

// start runs a daemon with this configuration, in which FILE stands for a
// config.json of its own.
func start(t *testing.T, yaml string, o Options, before ...emulator.Fault) rig {
	t.Helper()
	aws, err := emulator.Start(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aws.Close)
	for _, f := range before {
		aws.Inject(f)
	}
	p := emulator.DefaultPrincipal()
	t.Setenv("AWS_ENDPOINT_URL", aws.Endpoint())
	t.Setenv("AWS_ACCESS_KEY_ID", p.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", p.SecretAccessKey)
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	d, err := New(parse(t, yaml), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return rig{d, aws}
}

func parse(t *testing.T, yaml string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	c, err := config.Parse("test.yaml", []byte(strings.ReplaceAll(yaml, "FILE", file)), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const registries = `
registries:
  - region: us-east-1
  - {region: eu-west-1, account: "111122223333", hosts: ["` + further + `"], allow: {users: ["1000001"]}}
targets: [{type: docker-config, path: FILE}]
`

func TestCredentialsGoToWhomTheRulesName(t *testing.T) {
	d := start(t, registries, Options{})
	tests := []struct {
		name, host string
		who        peerauth.Peer
		want       string // "", or what is wrong
	}{
		{"root, own account", hostUS, root, ""},
		{"root, by name", hostEU, root, ""},
		{"root, a further name", further, root, ""},
		{"in capitals", strings.ToUpper(hostEU), root, ""},
		{"allowed", hostEU, stranger, ""},
		{"allowed, a further name", further, stranger, ""},
		{"not allowed there", hostUS, stranger, "refused"},
		{"another account", "999988887777.dkr.ecr.us-east-1.amazonaws.com", root, "not ours"},
		{"another region", "111122223333.dkr.ecr.us-east-2.amazonaws.com", root, "not ours"},
		{"not ours, and not allowed either", "registry.example.com", stranger, "not ours"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := d.Credential(t.Context(), tt.host, tt.who, patience)
			got, refusal := "", new(peerauth.Refusal)
			switch {
			case errors.As(err, &refusal):
				got = "refused"
			case errors.Is(err, api.ErrNotOurs):
				got = "not ours"
			case err != nil:
				t.Fatal(err)
			case l.Secret.IsZero() || l.Host != strings.ToLower(tt.host):
				t.Errorf("got the login of %q", l.Host)
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
	lists := map[string][]string{"root": {hostEU, hostUS, further}, "stranger": {hostEU, further}}
	for name, who := range map[string]peerauth.Peer{"root": root, "stranger": stranger} {
		got := slices.Sorted(maps.Keys(d.Credentials(t.Context(), who, patience)))
		if !slices.Equal(got, lists[name]) {
			t.Errorf("the list for %s is %q", name, got)
		}
	}
}

func TestARuleGoesWithTheReloadThatRemovesIt(t *testing.T) {
	d := start(t, registries, Options{})
	if _, err := d.Credential(t.Context(), hostEU, stranger, patience); err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(registries, `, allow: {users: ["1000001"]}`, "", 1)
	if err := d.Reload(t.Context(), parse(t, without)); err != nil {
		t.Fatal(err)
	}
	refusal := new(peerauth.Refusal)
	if _, err := d.Credential(t.Context(), hostEU, stranger, patience); !errors.As(err, &refusal) {
		t.Errorf("after the reload: %v", err)
	}
	if err := d.Reload(t.Context(), parse(t, without+"socket: {allow: {groups: ['1000001']}}\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Credential(t.Context(), hostUS, stranger, patience); err != nil {
		t.Errorf("as a member of an allowed group: %v", err)
	}
}

func TestACallerWaitsForTheFirstTokenAndAcrossAReload(t *testing.T) {
	d := start(t, registries, Options{}, emulator.Fault{Operation: "GetAuthorizationToken", Delay: time.Second})
	if _, err := d.Credential(t.Context(), hostEU, root, 0); !fault.Has(err, fault.Network) {
		t.Errorf("without waiting: %v", err)
	}
	reloaded := make(chan error, 1)
	go func() { reloaded <- d.Reload(t.Context(), parse(t, registries)) }()
	if _, err := d.Credential(t.Context(), hostEU, root, patience); err != nil {
		t.Error(err)
	}
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
}

func TestTheCauseIsToldAtOnceWhereWaitingIsNoUse(t *testing.T) {
	d := start(t, registries, Options{}, emulator.Fault{Operation: "GetAuthorizationToken", Status: 400, Code: "AccessDeniedException"})
	if _, err := d.Credential(t.Context(), hostEU, root, time.Hour); !fault.Has(err, fault.Denied) {
		t.Errorf("got %v", err)
	}
	if rows, err := d.Refresh(t.Context(), hostEU); err != nil || len(rows) != 1 || rows[0].Error == nil || rows[0].Error.Reason != fault.Denied {
		t.Errorf("refresh: %v, %+v", err, rows)
	}
}

func TestRefreshRenewsOneOrAllAndSaysHowTheyStand(t *testing.T) {
	d := start(t, registries, Options{})
	before, err := d.Credential(t.Context(), hostEU, root, patience)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.Refresh(t.Context(), strings.ToUpper(further))
	if err != nil || len(rows) != 1 || rows[0].Host != further || !rows[0].Well() {
		t.Errorf("%v, %+v", err, rows)
	}
	after, err := d.Credential(t.Context(), hostEU, root, 0)
	if err != nil || after.Secret.Equal(before.Secret) {
		t.Errorf("the token is not a new one (%v)", err)
	}
	if rows, err := d.Refresh(t.Context(), ""); err != nil || len(rows) != 3 || slices.ContainsFunc(rows, func(r status.Registry) bool { return !r.Well() }) {
		t.Errorf("%v, %+v", err, rows)
	}
	if _, err := d.Refresh(t.Context(), "registry.example.com"); !errors.Is(err, api.ErrNotOurs) {
		t.Errorf("a foreign host: %v", err)
	}
}

// TestARefreshThatAReloadCutsShortIsToldApart: Refresh then goes on with the next generation.
func TestARefreshThatAReloadCutsShortIsToldApart(t *testing.T) {
	d := start(t, registries, Options{})
	former := d.generation()
	if refresh(t.Context(), former.providers.all) {
		t.Error("a refresh without a reload counts as cut short")
	}
	if err := d.Reload(t.Context(), parse(t, registries)); err != nil {
		t.Fatal(err)
	}
	if !refresh(t.Context(), former.providers.all) || !former.wait(t.Context()) {
		t.Error("a refresh of a generation that has ended does not count as cut short")
	}
}

func TestTheNextProcessServesWithoutAWS(t *testing.T) {
	var mu sync.Mutex
	kept := Options{}
	first := start(t, registries, Options{Keep: func(tokens map[string]login.Token) error {
		mu.Lock()
		defer mu.Unlock()
		kept.Tokens = maps.Clone(tokens)
		return nil
	}})
	want, err := first.Credential(t.Context(), hostEU, root, patience)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "both tokens to be kept", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(kept.Tokens) == 2
	})
	second := start(t, registries, kept, emulator.Fault{Drop: true})
	got, err := second.Credential(t.Context(), hostEU, stranger, 0)
	if err != nil || !got.Secret.Equal(want.Secret) {
		t.Errorf("the next process gives another token (%v)", err)
	}
	await(t, "the status to say that AWS is away", func() bool {
		return !slices.ContainsFunc(second.Status().Registries, func(r status.Registry) bool { return r.State != status.Failing })
	})
}

func TestTokensAreHandedOverAgainAfterAnErrorAndAtTheEnd(t *testing.T) {
	var mu sync.Mutex
	var last map[string]login.Token
	refuse := true
	keep := func(tokens map[string]login.Token) error {
		mu.Lock()
		defer mu.Unlock()
		last = maps.Clone(tokens)
		if refuse {
			return errors.New("the manager is away")
		}
		return nil
	}
	t.Run("running", func(t *testing.T) {
		d := start(t, registries, Options{Keep: keep})
		await(t, "both tokens", func() bool { return len(d.Credentials(t.Context(), root, 0)) == 3 })
		await(t, "the refused try", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(last) > 0
		})
		mu.Lock()
		last, refuse = nil, false
		mu.Unlock()
	})
	if len(last) != 2 {
		t.Errorf("at the end %d tokens were handed over", len(last))
	}
}

func TestAReloadLeavesNoMomentWithoutStatus(t *testing.T) {
	d := start(t, registries, Options{})
	await(t, "all to be well", func() bool {
		return !slices.ContainsFunc(d.Status().Registries, func(r status.Registry) bool { return !r.Well() })
	})
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			for _, r := range d.Status().Registries {
				if !r.Well() {
					t.Errorf("%s is %s, its targets %+v", r.Host, r.State, r.Targets)
					return
				}
			}
		}
	})
	for range 20 {
		if err := d.Reload(t.Context(), d.generation().config); err != nil {
			t.Fatal(err)
		}
	}
	close(over)
	wg.Wait()
}

func TestAnErrorOfTheConfigurationIsToldUntilOneIsGood(t *testing.T) {
	d := start(t, registries, Options{})
	d.Refuse(errors.New("c.yaml:1: wrong"), "fix it")
	if p := d.Status().Config.Error; p == nil || p.Message != "c.yaml:1: wrong" || p.Hint != "fix it" {
		t.Errorf("the status has %+v", p)
	}
	if err := d.Reload(t.Context(), d.generation().config); err != nil {
		t.Fatal(err)
	}
	if p := d.Status().Config.Error; p != nil {
		t.Errorf("after a good one the status has %+v", p)
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a minute is not enough for %s", what)
		}
	}
}
